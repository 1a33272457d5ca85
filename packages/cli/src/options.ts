// Options that several commands have. Ranges and names are checked by the contract's own schemas, not here.
import { PoolmeshError } from '@poolmesh/types'
import { type Command, InvalidArgumentError, Option } from 'commander'

const STRATEGIES = ['least_loaded', 'round_robin', 'capability_based', 'region_aware', 'affinity']

/** What every command has. */
export interface CommonOptions {
  json?: true
  server?: string
}

/** As they may be written. */
export const POOL_TYPES = ['nats', 'mahavishnu', 'session_buddy', 'session-buddy', 'kubernetes']

const FORMATS = ['table', 'json', 'markdown'] as const
type Format = (typeof FORMATS)[number]

/** What every command has that lists. `--json` sets the format too. */
export interface ListOptions extends CommonOptions {
  format: Format
}

/** What describes a task; of `submit` and `explain`. */
export interface TaskOptions {
  payload?: string
  capability?: string[]
  strategy?: string
  timeout?: number
  priority?: number
  pool?: string
  region?: string
  id?: string
  maxAttempts?: number
  queueTimeout?: number
  metadata?: string
}

export const parseNumber = (text: string): number => {
  const value = text.trim() === '' ? Number.NaN : Number(text)
  if (!Number.isFinite(value)) throw new InvalidArgumentError('It is not a number.')
  return value
}

/** What `--limit` says; Infinity without it. @throws PoolmeshError INVALID_INPUT */
export function requireLimit(limit = Number.POSITIVE_INFINITY): number {
  if (limit >= 1 && (limit === Number.POSITIVE_INFINITY || Number.isSafeInteger(limit))) return limit
  throw new PoolmeshError('INVALID_INPUT', '--limit must be a whole number from 1')
}

export const collect = (value: string, before: string[] = []): string[] => [...before, value]

export const addJsonOption = (command: Command): Command =>
  command.addOption(
    new Option(
      '--json',
      "the contract's JSON on standard output and nothing else; a refusal on standard error",
    ).implies({ format: 'json' }),
  )

export const addCommonOptions = (command: Command): Command =>
  addJsonOption(command).option(
    '--server <url>',
    'NATS server (default: NATS_URL, else the one that `npm start` runs)',
  )

export const addFormatOption = (command: Command): Command =>
  command.addOption(new Option('--format <format>', 'how it is printed').choices(FORMATS).default('table'))

/** What a task is, apart from where it runs. */
export const addWorkOptions = (command: Command): Command =>
  command
    .option(
      '--payload <json>',
      'the work itself: a JSON object, @FILE, or - for standard input (default: {})',
    )
    .option('--timeout <seconds>', 'how long one run may take (default: 300)', parseNumber)
    .option(
      '--queue-timeout <seconds>',
      'how long it may wait for a pool (default: its timeout)',
      parseNumber,
    )
    .option('--max-attempts <count>', 'how often a failure is tried (default: 1)', parseNumber)
    .option('--priority <number>', '0 to 100, higher goes first (default: 5)', parseNumber)
    .option('--metadata <json>', 'more of what goes along: a JSON object, @FILE or -')
    .option('--id <id>', 'the id of the task (default: a new one)')

export const addCapabilityOption = (command: Command): Command =>
  command.option('-c, --capability <name>', 'what the pool must have; may be repeated', collect)

export const addTaskOptions = (command: Command): Command =>
  addWorkOptions(addCapabilityOption(command))
    .addOption(new Option('--strategy <name>', 'how to choose among the pools that fit').choices(STRATEGIES))
    .option('--pool <name>', 'run it there and nowhere else')
    .option('--region <name>', 'the region that region_aware looks for')
