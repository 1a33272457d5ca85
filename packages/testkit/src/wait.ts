/** Polls until `condition` gives something truthy, and gives that. For what has no event to wait for. */
export async function until<T>(
  condition: () => T | Promise<T>,
  what = 'the condition',
  limitMs = 45_000,
): Promise<Exclude<T, false | null | undefined | 0 | ''>> {
  const end = performance.now() + limitMs
  for (;;) {
    const value = await condition()
    if (value) return value as Exclude<T, false | null | undefined | 0 | ''>
    if (performance.now() > end) throw new Error(`gave up waiting for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
