/** A power of two. */
const SLOTS = 64
const times = new Float64Array(SLOTS).fill(Number.NaN)
const texts: string[] = new Array<string>(SLOTS).fill('')

/**
 * RFC 3339 UTC of a time in ms since the epoch. Printing one costs half a microsecond, which every result and every run
 * would pay twice; most of those that are printed together share a few milliseconds, so the last ones are remembered.
 */
export function isoTime(ms: number): string {
  const slot = ms & (SLOTS - 1)
  if (times[slot] !== ms) {
    texts[slot] = new Date(ms).toISOString()
    times[slot] = ms
  }
  return texts[slot] as string
}
