// One list out of two streams: what waits or runs comes first, then what has ended. The cursor says in which of them it is.
import { isTerminal, PoolmeshError, type TaskStatus } from '@poolmesh/types'
import type { Gateway } from '../context.ts'
import { listResults, type Page, type TaskSummary } from '../stored/results.ts'
import { listUnfinished } from '../stored/unfinished.ts'

interface ListQuery {
  status?: TaskStatus | undefined
  type?: string | undefined
  pool?: string | undefined
  limit: number
  cursor?: string | undefined
}

/** Of a page that has both, at most so many are those that wait or run: each is asked about. */
const UNFINISHED = 50

export async function listTasks({ jsm, executor }: Gateway, query: ListQuery): Promise<Page<TaskSummary>> {
  const { status, type, pool, limit } = query
  const { part, rest } = readPart(query.cursor)
  if (status !== undefined && !isTerminal(status)) {
    const page = await listUnfinished(jsm, executor, { status, type, pool }, limit, rest)
    return { items: page.items, next: page.next && `u${page.next}` }
  }
  const first =
    status === undefined && part !== 'r'
      ? await listUnfinished(jsm, executor, { type, pool }, Math.min(limit, UNFINISHED), rest)
      : { items: [], next: null }
  // A system with a backlog would else show nothing that has ended: the first page always has both.
  const goOn = part === 'u' && first.next !== null
  if (goOn || first.items.length >= limit) return { items: first.items, next: first.next && `u${first.next}` }
  const seen = new Set(first.items.map(({ task_id }) => task_id))
  const ended = await listResults(
    jsm,
    { status, pool, type },
    limit - first.items.length,
    part === 'r' ? rest : undefined,
  )
  return {
    items: [...first.items, ...ended.items.filter(({ task_id }) => !seen.has(task_id))],
    next: ended.next && `r${ended.next}`,
  }
}

function readPart(cursor: string | undefined): { part: 'u' | 'r' | null; rest: string | undefined } {
  if (cursor === undefined) return { part: null, rest: undefined }
  const part = cursor[0]
  if (part === 'u' || part === 'r') return { part, rest: cursor.slice(1) }
  throw new PoolmeshError('INVALID_INPUT', 'the request is not valid at cursor: is none that a list gave', [
    { path: 'cursor', message: 'is none that a list gave' },
  ])
}
