/** Waits for `work`, but no longer than `ms`; it goes on then, and nobody hears how it ends. */
export async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  try {
    await Promise.race([work.catch(() => {}), promise])
  } finally {
    clearTimeout(timer)
  }
}
