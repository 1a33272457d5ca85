// What a setting may be, and how it is read from the text that the environment gives.
import * as z from 'zod'

/** The words that the Python system takes, in any case. */
const FLAG_WORDS: Record<string, boolean> = {
  ...Object.fromEntries(['true', 't', '1', 'yes', 'y', 'on'].map((word) => [word, true])),
  ...Object.fromEntries(['false', 'f', '0', 'no', 'n', 'off'].map((word) => [word, false])),
}
export const flag = z.preprocess(
  (v) => FLAG_WORDS[String(v).trim().toLowerCase()],
  z.boolean({ error: 'must be true or false' }),
)
const number = z.preprocess((v) => (typeof v === 'string' && v.trim() !== '' ? Number(v) : v), z.number())
export const range = (min: number, max: number) => number.pipe(z.number().min(min).max(max))
export const whole = (min: number, max: number) => number.pipe(z.int().min(min).max(max))
export const urls = z.preprocess(
  (v) =>
    typeof v === 'string'
      ? v
          .split(',')
          .map((s) => s.trim())
          .filter(Boolean)
      : v,
  z.array(z.url({ protocol: /^(https?|nats)$/ })),
)
/** A secret is in there: what is wrong with it is said without its value. */
export const headersByUrl = z.preprocess(
  (v) => {
    if (typeof v !== 'string') return v
    try {
      return JSON.parse(v) as unknown
    } catch {
      return v
    }
  },
  z.record(
    z.url({ protocol: /^https?$/ }),
    z.record(z.string().regex(/^[\w!#$%&'*+.^`|~-]+$/), z.string().regex(/^[\t -~]*$/)),
    {
      error: 'must be {"<URL>": {"<header>": "<value>"}}',
    },
  ),
)
export const address = z.union([z.ipv4(), z.ipv6()], { error: 'must be an IPv4 or IPv6 address' })
/** What a header can carry, and nobody guesses. */
export const token = z
  .string()
  .regex(/^[\x21-\x7e]{16,512}$/, 'must be 16 to 512 visible ASCII characters')
  .describe('16 to 512 visible ASCII characters')
/** Two copies are no majority when one is lost, and more than three make every write slower for little. */
export const copies = number.pipe(z.literal([1, 3], { error: 'must be 1 or 3' }))
export const sync = z
  .string()
  .regex(/^(always|[1-9]\d*(ms|s|m))$/, 'must be always, or a duration such as 1s or 2m')
  .describe('`always`, or a duration such as `500ms`, `1s`, `2m`')

export interface Setting<T> {
  schema: z.ZodType<T>
  default: T
  /** One line for people: what it does, with its unit. */
  meaning: string
  /** Its value is shown to nobody. */
  secret?: true
}
export const setting = <T>(schema: z.ZodType<T>, value: T, meaning: string): Setting<T> => ({
  schema,
  default: value,
  meaning,
})
export const secret = <T>(plain: Setting<T>): Setting<T> => ({ ...plain, secret: true })
export const optional = <T>(schema: z.ZodType<T>) => schema.optional() as z.ZodType<T | undefined>

export const httpUrl = z.url({ protocol: /^https?$/ })
