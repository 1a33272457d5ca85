// The time as the gateway has it: times that are told are by its clock, and a browser's may be hours away.

/** Less is the time that a message takes. */
const NOTICED_MS = 3_000

let aheadMs = 0

/** @param now the gateway's, RFC 3339, of a message that has just come */
export function heardTime(now: string): void {
  const ahead = Date.parse(now) - Date.now()
  if (Number.isNaN(ahead)) return
  aheadMs = Math.abs(ahead) < NOTICED_MS ? 0 : ahead
}

/** Milliseconds since 1970. */
export const timeNow = (): number => Date.now() + aheadMs
