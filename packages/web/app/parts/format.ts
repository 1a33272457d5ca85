// Numbers, times and anybody's text, for people.

const integer = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

/** 12,345 up to a million, then 1.2M. */
export const count = (value: number): string =>
  value < 1_000_000 ? integer.format(value) : short.format(value)

/** A rate a second: one digit behind the point where it is small. */
export const rate = (value: number): string =>
  value === 0
    ? '0'
    : value < 10
      ? value.toFixed(1)
      : value < 100_000
        ? integer.format(value)
        : short.format(value)

export function milliseconds(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return '–'
  if (ms === 0) return '0 ms'
  if (ms < 1) return `${ms.toFixed(2)} ms`
  if (ms < 10) return `${ms.toFixed(1)} ms`
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s`
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1_000)} s`
  return `${Math.floor(ms / 3_600_000)} h ${Math.round((ms % 3_600_000) / 60_000)} min`
}

export const percent = (share: number): string => `${Math.round(share * 100)} %`

/** `12 s ago`. */
export function ago(at: string | null, now: number): string {
  const time = at === null ? Number.NaN : Date.parse(at)
  if (Number.isNaN(time)) return '–'
  const seconds = Math.round((now - time) / 1_000)
  if (seconds < 0) return 'now'
  if (seconds < 60) return `${seconds} s ago`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`
  return `${Math.floor(seconds / 86_400)} d ago`
}

export function clock(at: string | null): string {
  const time = at === null ? Number.NaN : Date.parse(at)
  if (Number.isNaN(time)) return '–'
  return new Date(time).toLocaleTimeString('en-GB')
}

/** Characters that draw nothing or turn the direction of what follows: shown by their number, so that nobody is misled. */
const UNSEEN = /(?![\t\n\r])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

export const visible = (text: string): string =>
  text.replace(
    UNSEEN,
    (character) => `[U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}]`,
  )

/** Anybody's text, cut where it is longer than a line may be. */
export function brief(text: string, characters = 200): string {
  return visible(text.length <= characters ? text : `${text.slice(0, characters)}…`)
}

/** `least_loaded` as words. */
export const words = (name: string): string => name.replaceAll('_', ' ')
