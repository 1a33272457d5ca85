// What can be said on the command line.
import { parseArgs } from 'node:util'

export interface ChaosOptions {
  minutes: number
  seed: number
  /** Three nats-servers and three replicas in place of one server. */
  cluster: boolean
  /** Of the nats-servers. A process that is killed loses nothing that it wrote, whatever this is; a machine would. */
  sync: string
  /** A broken part that the executors run with: the checker has to notice. */
  variant: string | null
  /** With pools behind HTTP and of Kubernetes, too. */
  adapters: boolean
  /** Tasks in flight that the submitters keep up, all together. */
  inFlight: number
  /** Keep history and logs when all is well, too. */
  keep: boolean
}

export const USAGE = `npm run chaos -- [--minutes 5] [--seed 7] [--cluster] [--adapters] [--sync 1s|always]
                [--in-flight 1200] [--variant NAME] [--keep]
npm run chaos -- --check HISTORY`

/** @throws Error for what makes no sense */
export function readOptions(args: string[]): ChaosOptions & { check: string | null; help: boolean } {
  const { values } = parseArgs({
    args,
    options: {
      minutes: { type: 'string', default: '5' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000)) },
      cluster: { type: 'boolean', default: false },
      sync: { type: 'string', default: '1s' },
      variant: { type: 'string' },
      adapters: { type: 'boolean', default: false },
      'in-flight': { type: 'string', default: '1200' },
      keep: { type: 'boolean', default: false },
      check: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (!/^(always|\d+(ms|s|m))$/.test(values.sync)) throw new Error('--sync: always, or a duration such as 1s')
  return {
    minutes: number('minutes', values.minutes, 0.1, 24 * 60),
    seed: Math.floor(number('seed', values.seed, 0, 2 ** 32 - 1)),
    cluster: values.cluster,
    sync: values.sync,
    variant: values.variant ?? null,
    adapters: values.adapters,
    inFlight: number('in-flight', values['in-flight'], 10, 100_000),
    keep: values.keep,
    check: values.check ?? null,
    help: values.help,
  }
}

function number(name: string, text: string, least: number, most: number): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= least && value <= most) return value
  throw new Error(`--${name}: a number from ${least} to ${most}`)
}
