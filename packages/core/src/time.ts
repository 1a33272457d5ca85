let lastMs = Number.NaN
let lastText = ''

/**
 * RFC 3339 UTC of a time in ms since the epoch. Printing one costs half a microsecond, which every result and every run
 * would pay twice; most of those that are printed together have the same millisecond, so the last one is remembered.
 */
export function isoTime(ms: number): string {
  if (ms !== lastMs) {
    lastText = new Date(ms).toISOString()
    lastMs = ms
  }
  return lastText
}
