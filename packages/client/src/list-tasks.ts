// One list out of two streams: what waits or runs comes first, then what has ended. The cursor says in which of them it is.
import type { NatsConnection } from '@nats-io/transport-node'
import { isTerminal, type TaskStatus } from '@poolmesh/types'
import { recentResults } from './ended-tasks.ts'
import type { DistributedTaskExecutor } from './executor.ts'
import { type BackPage, invalidCursor } from './read-back.ts'
import { summaryOf, type TaskSummary } from './task-summary.ts'
import { unfinishedTasks } from './unfinished-tasks.ts'

export interface ListTasksOptions {
  status?: TaskStatus | undefined
  /** Of tasks that wait or run alone: a stored result does not tell its type, so none that has ended is listed with it. */
  type?: string | undefined
  /** Name of the pool that runs it, or ran it. */
  pool?: string | undefined
  /** Tasks at most; default 100. */
  limit?: number | undefined
  /** What the page before gave. */
  cursor?: string | undefined
}

const DEFAULT_LIMIT = 100
/** Of a page that has both, at most so many are those that wait or run: each is asked about. */
const UNFINISHED = 50
/** Results that are looked at for a page: somebody waits for it. */
const SCAN = 20_000

/**
 * One page of the tasks that the system has, whoever submitted them, newest first: those that wait or run, then those that
 * have ended (24 h by default). May be short, or empty, where much had to be read for little: the cursor goes on.
 * @throws PoolmeshError INVALID_INPUT for a cursor that is none, UNAVAILABLE
 */
export async function listTasks(
  nc: NatsConnection,
  executor: DistributedTaskExecutor,
  options: ListTasksOptions = {},
): Promise<BackPage<TaskSummary>> {
  const { status, type, pool, limit = DEFAULT_LIMIT } = options
  const { part, rest } = readPart(options.cursor)
  if (type !== undefined || (status !== undefined && !isTerminal(status))) {
    if (status !== undefined && isTerminal(status)) return { items: [], cursor: null }
    return waitingPage(await unfinishedTasks(nc, executor, { status, type, pool, limit, cursor: rest }))
  }
  const first: BackPage<TaskSummary> =
    status === undefined && part !== 'r'
      ? await unfinishedTasks(nc, executor, { pool, limit: Math.min(limit, UNFINISHED), cursor: rest })
      : { items: [], cursor: null }
  // A system with a backlog would else show nothing that has ended: the first page always has both.
  const goOn = part === 'u' && first.cursor !== null
  if (goOn || first.items.length >= limit) return waitingPage(first)
  const seen = new Set(first.items.map(({ task_id }) => task_id))
  const { items, cursor } = await recentResults(nc, {
    filter: { pool, status: status === undefined ? undefined : [status] },
    limit: limit - first.items.length,
    cursor: part === 'r' ? rest : undefined,
    scan: SCAN,
  })
  const ended = items.map(({ result, at }) => summaryOf(result, at))
  return {
    items: [...first.items, ...ended.filter(({ task_id }) => !seen.has(task_id))],
    cursor: cursor === null ? null : `r${cursor}`,
  }
}

const waitingPage = ({ items, cursor }: BackPage<TaskSummary>): BackPage<TaskSummary> => ({
  items,
  cursor: cursor === null ? null : `u${cursor}`,
})

function readPart(cursor: string | undefined): { part: 'u' | 'r' | null; rest: string | undefined } {
  if (cursor === undefined) return { part: null, rest: undefined }
  const part = cursor[0]
  if (part === 'u' || part === 'r') return { part, rest: cursor.slice(1) }
  throw invalidCursor()
}
