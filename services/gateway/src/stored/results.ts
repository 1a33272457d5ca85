// Tasks that have ended, newest first, from the stored results.
import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream'
import {
  completedSubject,
  type DistributedTaskResult,
  isJsonObject,
  isTerminal,
  PoolmeshError,
  STREAMS,
} from '@poolmesh/types'
import { newestFirst } from './newest.ts'

/** Characters of an error that a list shows. */
const ERROR_CHARACTERS = 300

/** A task in a list: what its result says of it, without its output. */
export interface TaskSummary {
  task_id: string
  status: string
  pool_name: string | null
  /** Null where it is not known: a result does not tell it. */
  task_type: string | null
  /** Seconds of the run; null until it has ended. */
  duration: number | null
  queued_ms: number | null
  attempts: number | null
  /** A code of the list of errors, where it did not complete. */
  reason: string | null
  error: string | null
  submitted_at: string | null
  started_at: string | null
  finished_at: string | null
}

export interface ResultFilter {
  status?: string | undefined
  pool?: string | undefined
  /** Passes only results that tell their type. */
  type?: string | undefined
}

export interface Page<Item> {
  items: Item[]
  /** Where to go on; null on the last page. */
  next: string | null
}

const text = (value: unknown): string | null => (typeof value === 'string' ? value : null)
const number = (value: unknown): number | null => (typeof value === 'number' ? value : null)

export function summaryOf(result: DistributedTaskResult, finishedAt: string | null): TaskSummary {
  const metadata = isJsonObject(result.metadata) ? result.metadata : {}
  return {
    task_id: result.task_id,
    status: result.status,
    pool_name: result.pool_name,
    task_type: text(metadata['task_type']),
    duration: result.duration,
    queued_ms: number(metadata['queued_ms']),
    attempts: number(metadata['attempts']),
    reason: text(metadata['reason']),
    error: result.error === null ? null : result.error.slice(0, ERROR_CHARACTERS),
    submitted_at: text(metadata['submitted_at']),
    started_at: text(metadata['started_at']),
    finished_at: finishedAt,
  }
}

/** `<sequence>` of a message, `-<index>` in it. @throws PoolmeshError INVALID_INPUT */
export function readCursor(cursor: string | undefined): { sequence: number; index: number } | null {
  if (cursor === undefined) return null
  const match = /^(\d{1,15})-(\d{1,5})$/.exec(cursor)
  if (!match)
    throw new PoolmeshError('INVALID_INPUT', 'the request is not valid at cursor: is none that a list gave', [
      { path: 'cursor', message: 'is none that a list gave' },
    ])
  return { sequence: Number(match[1]), index: Number(match[2]) }
}

/** One page, newest first; may be short, or empty, where much had to be read for little: `next` goes on all the same. */
export async function listResults(
  jsm: JetStreamManager,
  filter: ResultFilter,
  limit: number,
  cursor: string | undefined,
): Promise<Page<TaskSummary>> {
  const start = readCursor(cursor)
  const scan = newestFirst(jsm, {
    stream: STREAMS.results,
    filter: completedSubject('*'),
    from: start?.sequence ?? null,
  })
  const items: TaskSummary[] = []
  for await (const message of scan.messages) {
    const results = resultsIn(message)
    const at = message.time.toISOString()
    const first =
      start !== null && message.seq === start.sequence
        ? Math.min(start.index, results.length)
        : results.length
    for (let index = first - 1; index >= 0; index--) {
      const result = results[index]!
      if (filter.status !== undefined && result.status !== filter.status) continue
      if (filter.pool !== undefined && result.pool_name !== filter.pool) continue
      const summary = summaryOf(result, at)
      if (filter.type !== undefined && summary.task_type !== filter.type) continue
      if (items.length === limit) return { items, next: `${message.seq}-${index + 1}` }
      items.push(summary)
    }
  }
  const next = scan.next()
  return { items, next: next === null ? null : `${next}-99999` }
}

/** Results of a message, whether one or many; what is none is left out. */
export function resultsIn(message: Pick<StoredMsg, 'data'>): DistributedTaskResult[] {
  try {
    const body: unknown = JSON.parse(Buffer.from(message.data).toString())
    return (Array.isArray(body) ? body : [body]).filter(
      (one): one is DistributedTaskResult =>
        isJsonObject(one) && typeof one['task_id'] === 'string' && isTerminal(one['status']),
    )
  } catch {
    return []
  }
}
