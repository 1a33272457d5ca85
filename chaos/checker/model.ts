// What a history says of each task, gathered while it is read once.
import type { Kind, ResultLine, Way } from '../history/events.ts'

export interface Task {
  readonly id: string
  kind: Kind | 'b'
  way: Way | null
  submitted: boolean
  ackedAt: number | null
  /** Of the submission. */
  firstSubmittedAt: number
  /** Distinct messages of RESULTS in which the durable reader saw a result of it. */
  seen: number
  result: ResultLine | null
  seenAt: number
  /** Results of it that are stored at the end, and what they say. */
  final: number
  finalStatus: string | null
  cancelAsked: boolean
  /** What task.cancel answered: true with `cancelled`, or the terminal status that it had already. */
  cancelAnswer: { ok: boolean; s: string } | null
  /** The first terminal status that anybody was told, and when. */
  terminal: { s: string; at: number } | null
  runs: number
  lastBegin: { pool: string; at: number } | null
  /** Numbers of its runs, while there are few. */
  attempts: number[]
}

export interface Violation {
  rule: Rule
  /** For people: which task or pool, and what is wrong. */
  what: string
  at: number
}

/** In the order of the issue: what the checker holds a history to. */
export const RULES = {
  'lost-result': 'an acknowledged task has no stored result',
  'two-results': 'a task has more than one stored result',
  'unseen-result': 'the durable reader did not see a stored result, or saw one that is not stored any more',
  'no-submission': 'a result of a task that nobody submitted',
  'status-backward': 'a task that had ended was said not to have, or to have ended otherwise, or was unknown',
  'cancelled-completed': 'task.cancel said something else than what is stored',
  'told-otherwise': 'a submitter was told something else than what is stored',
  'unexpected-end': 'a task ended otherwise than it was made to',
  'over-slots': 'a pool had more runs than slots',
  'job-again': 'a Job was started though there was one of its task',
  'not-drained': 'tasks were left 60 s after the last fault',
} as const
export type Rule = keyof typeof RULES

const TERMINAL = new Set(['completed', 'failed', 'timeout', 'cancelled'])
export const isOver = (status: string): boolean => TERMINAL.has(status)

export class Tasks {
  readonly #tasks = new Map<string, Task>()

  get size(): number {
    return this.#tasks.size
  }

  get(id: string): Task | undefined {
    return this.#tasks.get(id)
  }

  values(): IterableIterator<Task> {
    return this.#tasks.values()
  }

  /** Known or new; a branch of a fan-out comes from no submitter. */
  of(id: string): Task {
    const known = this.#tasks.get(id)
    if (known) return known
    const task: Task = {
      id,
      kind: /_f-\d+$/.test(id) ? 'b' : 's',
      way: null,
      submitted: false,
      ackedAt: null,
      firstSubmittedAt: 0,
      seen: 0,
      result: null,
      seenAt: 0,
      final: 0,
      finalStatus: null,
      cancelAsked: false,
      cancelAnswer: null,
      terminal: null,
      runs: 0,
      lastBegin: null,
      attempts: [],
    }
    this.#tasks.set(id, task)
    return task
  }
}

/** Ids of the tasks of a message. */
export function* idsOf(m: string, count: number, alone: boolean): Generator<string> {
  if (alone) yield m
  else for (let i = 0; i < count; i++) yield `${m}-${i}`
}
