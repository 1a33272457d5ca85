/** `21 ms`, `1.5 s`, `3m 05s`, `2h 10m`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1_000)} ms`
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  const two = (value: number): string => String(value).padStart(2, '0')
  if (whole < 3_600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`
  return `${Math.floor(whole / 3_600)}h ${two(Math.floor((whole % 3_600) / 60))}m`
}

/** A time of the contract to the second: `2026-11-26T06:28:38Z`. */
export const toTheSecond = (time: string): string => time.replace(/\.\d+Z$/, 'Z')
