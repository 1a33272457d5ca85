// What a stream or a consumer is like, held to what this version makes.
import type { StreamSettings } from '@poolmesh/bus'
import { type Finding, fail, formatBytes, ok, warn } from './finding.ts'

/** What is to be done about a difference. */
type Remedy =
  /** A service that starts sets it back. */
  | { kind: 'restart' }
  /** A setting has it, which may be another where the services run. */
  | { kind: 'setting'; name: string }
  /** Nobody of ours sets it: somebody limited what is stored. */
  | { kind: 'limit' }
  /** The server never changes it. */
  | { kind: 'remake' }

interface Difference {
  text: string
  remedy: Remedy
}

type Fields = Readonly<Record<string, unknown>>

/** What nobody of ours sets, as the server then has it. */
const LEFT_OPEN: Fields = {
  max_consumers: -1,
  max_msgs: -1,
  max_bytes: -1,
  max_msg_size: -1,
  max_msgs_per_subject: -1,
  max_age: 0,
}
const LEFT_OFF: Fields = { no_ack: false, sealed: false, deny_delete: false, deny_purge: false }
/** The server leaves out what is not set, or has one of these there. */
const UNSET: unknown[] = [undefined, null, false, 0, '', 'none']

/** Of the settings that decide a field: the field of which stream. */
const SETTINGS: Record<string, string> = {
  'RESULTS.max_age': 'POOLMESH_RESULTS_HOURS',
  'TASKS.max_bytes': 'POOLMESH_MAX_PENDING_BYTES',
}
const NEVER_CHANGED = new Set(['storage', 'retention', 'sealed', 'deny_delete', 'deny_purge', 'ack_policy'])

/** @param wanted copies are not held to it: see `copiesFinding` */
export function streamFinding(is: Fields, { num_replicas: _, ...wanted }: StreamSettings): Finding | null {
  const own = differences(is, wanted as Fields, (field) => remedyOf(`${wanted.name}.${field}`, field))
  const open = differences(is, without(LEFT_OPEN, wanted), () => ({ kind: 'limit' }))
  const off = differences(is, without(LEFT_OFF, wanted), (field) => remedyOf('', field))
  return findingOf(`stream ${wanted.name}`, [...own, ...open, ...off], {
    remove: `nats stream rm ${wanted.name}`,
    edit: `nats stream edit ${wanted.name}`,
    lost: true,
  })
}

/** @param setsBack what to do about what can be changed */
export function consumerFinding(
  stream: string,
  is: Fields,
  wanted: Fields,
  setsBack?: string,
): Finding | null {
  const name = String(wanted['durable_name'])
  return findingOf(
    `consumer ${name}`,
    differences(is, wanted, (field) => remedyOf('', field)),
    {
      remove: `nats consumer rm ${stream} ${name}`,
      edit: `nats consumer edit ${stream} ${name}`,
      lost: false,
      setsBack,
    },
  )
}

const without = (fields: Fields, named: object): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([field]) => !Object.hasOwn(named, field)))

const remedyOf = (path: string, field: string): Remedy => {
  const name = SETTINGS[path]
  if (name !== undefined) return { kind: 'setting', name }
  return { kind: NEVER_CHANGED.has(field) ? 'remake' : 'restart' }
}

function differences(is: Fields, wanted: Fields, remedy: (field: string) => Remedy): Difference[] {
  return Object.entries(wanted).flatMap(([field, value]) => {
    if (isSame(is[field], value)) return []
    return [{ text: textOf(field, is[field], value), remedy: remedy(field) }]
  })
}

function isSame(is: unknown, wanted: unknown): boolean {
  if (UNSET.includes(wanted)) return UNSET.includes(is)
  return canonical(is) === canonical(wanted)
}

/** The order of subjects, and of keys, is nobody's business. */
const canonical = (value: unknown): string =>
  JSON.stringify(
    Array.isArray(value)
      ? [...value].sort()
      : typeof value === 'object' && value !== null
        ? Object.entries(value).sort()
        : value,
  )

function textOf(field: string, is: unknown, wanted: unknown): string {
  if (!Array.isArray(wanted)) return `${field} is ${wordOf(field, is)}, not ${wordOf(field, wanted)}`
  const there: unknown[] = Array.isArray(is) ? is : []
  const lacking = wanted.filter((one) => !there.includes(one))
  const more = there.filter((one) => !wanted.includes(one))
  return [
    ...(lacking.length > 0 ? [`${field} lack ${lacking.join(', ')}`] : []),
    ...(more.length > 0 ? [`${field} have ${more.join(', ')} too`] : []),
  ].join(' and ')
}

/** Nanoseconds. */
const DURATIONS = new Set(['max_age', 'duplicate_window', 'subject_delete_marker_ttl', 'ack_wait'])
const BYTES = new Set(['max_bytes', 'max_msg_size'])

function wordOf(field: string, value: unknown): string {
  if (field.startsWith('max_') && (value === -1 || value === 0 || value === undefined)) return 'unlimited'
  if (UNSET.includes(value)) return 'off'
  if (value === true) return 'on'
  if (DURATIONS.has(field)) return durationOf(Number(value) / 1e9)
  if (BYTES.has(field)) return formatBytes(Number(value))
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** `36 h`, `7 days`, `1.5 s`: in the largest unit that leaves nothing over. */
function durationOf(seconds: number): string {
  const units = [
    [86_400, 'days', 2],
    [3_600, 'h', 1],
    [60, 'min', 1],
  ] as const
  const [size, unit] = units.find(([size, , least]) => seconds % size === 0 && seconds / size >= least) ?? [
    1,
    's',
  ]
  return `${seconds / size} ${unit}`
}

const SETS_BACK = 'Restart a service, such as the registry: services set it back when they start.'

function findingOf(
  check: string,
  all: readonly Difference[],
  how: { remove: string; edit: string; lost: boolean; setsBack?: string | undefined },
): Finding | null {
  if (all.length === 0) return null
  const kinds = new Set(all.map(({ remedy }) => remedy.kind))
  const settings = all.flatMap(({ remedy }) => (remedy.kind === 'setting' ? [remedy.name] : []))
  const advice = [
    ...(kinds.has('remake')
      ? [
          how.lost
            ? `The server changes that in no stream that exists: once nothing in it is needed, stop the services, take it out (${how.remove}) and start them; they make it anew, and empty.`
            : `The server does not change that: take it out (${how.remove}) and restart a service, which makes it anew. No task is lost.`,
        ]
      : kinds.has('restart')
        ? [how.setsBack ?? SETS_BACK]
        : []),
    ...settings.map(
      (name) => `Set ${name} here as the services have it; if they have it so, restart one: it sets it back.`,
    ),
    ...(kinds.has('limit')
      ? [`poolmesh sets no such limit: unless it is meant, take it off (${how.edit}).`]
      : []),
  ].join(' ')
  const found = all.map(({ text }) => text).join('; ')
  return kinds.has('remake') || kinds.has('restart') ? fail(check, found, advice) : warn(check, found, advice)
}

/** Streams that have fewer copies than the setting says, or where it says nothing, than others have. */
export function copiesFinding(
  streams: readonly { name: string; copies: number }[],
  asked: number | null,
): Finding {
  const wanted = asked ?? Math.max(1, ...streams.map(({ copies }) => copies))
  const others = streams.filter(({ copies }) => copies !== wanted)
  if (others.length === 0) return ok('copies', `${wanted} of each stream`)
  const found = `not ${wanted}, but ${others.map(({ name, copies }) => `${copies} of ${name}`).join(', ')}`
  const advice = `Start a service with POOLMESH_REPLICAS=${wanted}: it changes what is there already.`
  return warn('copies', found, advice)
}
