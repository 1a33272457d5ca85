// What is typed into the form, and the task that it makes.
import type { Wrong } from './schema.ts'

export interface Field {
  name: string
  label: string
  kind: 'text' | 'number' | 'json' | 'list' | 'choice' | 'flag'
  hint: string
  /** Behind "more". */
  more?: boolean
}

export const FIELDS: Field[] = [
  {
    name: 'task_type',
    label: 'Type',
    kind: 'text',
    hint: 'What kind of work it is; the pool decides by it.',
  },
  {
    name: 'required_capabilities',
    label: 'Required capabilities',
    kind: 'list',
    hint: 'With commas between. A pool must have all of them.',
  },
  { name: 'payload', label: 'Payload', kind: 'json', hint: 'The work itself, as a JSON object.' },
  {
    name: 'routing_strategy',
    label: 'Strategy',
    kind: 'choice',
    hint: 'How a pool is chosen among those that fit.',
  },
  { name: 'priority', label: 'Priority', kind: 'number', hint: 'Higher goes first.' },
  { name: 'timeout', label: 'Timeout', kind: 'number', hint: 'Seconds that one run may take.' },
  { name: 'pool', label: 'Pool', kind: 'text', hint: 'Runs on this pool and nowhere else.' },
  {
    name: 'max_attempts',
    label: 'Attempts',
    kind: 'number',
    hint: 'How often a reported failure is tried.',
    more: true,
  },
  {
    name: 'queue_timeout',
    label: 'Queue timeout',
    kind: 'number',
    hint: 'Seconds that it may wait for a pool.',
    more: true,
  },
  {
    name: 'not_before',
    label: 'Not before',
    kind: 'text',
    hint: 'A time such as 2030-01-31T12:00:00Z.',
    more: true,
  },
  { name: 'task_id', label: 'Task id', kind: 'text', hint: 'A new one if left out.', more: true },
  {
    name: 'idempotent',
    label: 'It may run twice at once',
    kind: 'flag',
    hint: 'Allows hedging.',
    more: true,
  },
  {
    name: 'fan_out',
    label: 'Fan-out',
    kind: 'json',
    hint: 'Such as {"pools": "all", "aggregation": "majority"}: one task on several pools.',
    more: true,
  },
  {
    name: 'metadata',
    label: 'Metadata',
    kind: 'json',
    hint: 'region, affinity_key, tenant … have a meaning.',
    more: true,
  },
]

export interface Drafted {
  task: Record<string, unknown>
  /** What could not even be read: text that is no number, or no JSON. */
  wrong: Wrong[]
}

/** What is empty is left out: the defaults are the system's. */
export function draft(typed: Record<string, string>): Drafted {
  const task: Record<string, unknown> = {}
  const wrong: Wrong[] = []
  for (const { name, kind } of FIELDS) {
    const text = typed[name]?.trim() ?? ''
    if (text === '') continue
    if (kind === 'list')
      task[name] = text
        .split(',')
        .map((word) => word.trim())
        .filter((word) => word !== '')
    else if (kind === 'flag') task[name] = text === 'true'
    else if (kind === 'number') {
      if (Number.isFinite(Number(text))) task[name] = Number(text)
      else wrong.push({ path: name, message: 'is no number' })
    } else if (kind === 'json') {
      try {
        task[name] = JSON.parse(text)
      } catch (error) {
        wrong.push({ path: name, message: `is no JSON: ${(error as Error).message}` })
      }
    } else task[name] = text
  }
  return { task, wrong }
}
