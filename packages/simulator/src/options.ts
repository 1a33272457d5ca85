// What can be said on the command line.
import { parseArgs } from 'node:util'
import { VARIANTS } from './variant.ts'

export const USAGE = `npm run simulate -- [--seeds 1000] [--from 1] [--variant NAME]
npm run simulate -- --seed N [--faults 0,2] [--submissions 1] [--variant NAME]
variants: ${Object.keys(VARIANTS).join(', ')}`

export interface SimulateOptions {
  /** Schedules to run. */
  readonly seeds: number
  /** The first seed. */
  readonly from: number
  /** One alone, with its trace; null: many. */
  readonly seed: number | null
  /** Of that seed: which of its faults and submissions take part; null: all. */
  readonly faults: readonly number[] | null
  readonly submissions: readonly number[] | null
  readonly variant: string | null
  readonly help: boolean
}

/** @throws Error for what makes no sense */
export function readOptions(args: string[]): SimulateOptions {
  const { values } = parseArgs({
    args,
    options: {
      seeds: { type: 'string', default: '1000' },
      from: { type: 'string', default: '1' },
      seed: { type: 'string' },
      faults: { type: 'string' },
      submissions: { type: 'string' },
      variant: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  const { variant = null } = values
  if (variant !== null && !Object.hasOwn(VARIANTS, variant))
    throw new Error(`--variant: one of ${Object.keys(VARIANTS).join(', ')}`)
  return {
    seeds: whole('seeds', values.seeds),
    from: whole('from', values.from),
    seed: values.seed === undefined ? null : whole('seed', values.seed),
    faults: numbers('faults', values.faults),
    submissions: numbers('submissions', values.submissions),
    variant,
    help: values.help,
  }
}

function whole(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new Error(`--${name}: a whole number`)
}

/** An empty text: none of them. */
function numbers(name: string, text: string | undefined): number[] | null {
  if (text === undefined) return null
  return text === '' ? [] : text.split(',').map((one) => whole(name, one))
}
