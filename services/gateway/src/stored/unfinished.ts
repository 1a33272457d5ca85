// Tasks that wait or run, newest first: they are what lies in the stream of pending tasks.
import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream'
import type { DistributedTaskExecutor } from '@poolmesh/client'
import { isJsonObject, isTerminal, STREAMS, type TaskStatusReply } from '@poolmesh/types'
import { newestFirst } from './newest.ts'
import { type Page, readCursor, type TaskSummary } from './results.ts'

export interface UnfinishedFilter {
  status?: string | undefined
  type?: string | undefined
  pool?: string | undefined
}

/** Questions to the executors at the same time, and for one page. */
const ASKED_AT_ONCE = 16
const MAX_ASKED = 500

/** @throws PoolmeshError UNAVAILABLE where the stream cannot be read; what no executor answers of counts as pending */
export async function listUnfinished(
  jsm: JetStreamManager,
  executor: DistributedTaskExecutor,
  filter: UnfinishedFilter,
  limit: number,
  cursor: string | undefined,
): Promise<Page<TaskSummary>> {
  const start = readCursor(cursor)
  const scan = newestFirst(jsm, { stream: STREAMS.tasks, filter: 'task.>', from: start?.sequence ?? null })
  const items: TaskSummary[] = []
  let asked = 0
  for await (const message of scan.messages) {
    const tasks = tasksIn(message)
    const first =
      start !== null && message.seq === start.sequence ? Math.min(start.index, tasks.length) : tasks.length
    const indexes: number[] = []
    for (let index = first - 1; index >= 0; index--)
      if (filter.type === undefined || tasks[index]!.type === filter.type) indexes.push(index)
    for (let at = 0; at < indexes.length; at += ASKED_AT_ONCE) {
      const now = indexes.slice(at, at + ASKED_AT_ONCE)
      const statuses = await Promise.all(now.map((index) => statusOf(executor, tasks[index]!.id)))
      asked += now.length
      for (const [i, index] of now.entries()) {
        const status = statuses[i] ?? null
        if (status && !passes(status, filter)) continue
        if (!status && filter.status === 'running') continue
        if (items.length === limit) return { items, next: `${message.seq}-${index + 1}` }
        items.push(summary(tasks[index]!, status, message))
      }
      if (asked >= MAX_ASKED) return { items, next: `${message.seq}-${now.at(-1)!}` }
    }
  }
  const next = scan.next()
  return { items, next: next === null ? null : `${next}-99999` }
}

const passes = (status: TaskStatusReply, filter: UnfinishedFilter): boolean =>
  !isTerminal(status.status) &&
  (filter.status === undefined || status.status === filter.status) &&
  (filter.pool === undefined || status.pool_name === filter.pool)

const statusOf = (executor: DistributedTaskExecutor, id: string): Promise<TaskStatusReply | null> =>
  executor.getTaskStatus(id, { timeoutMs: 2_000 }).catch(() => null)

function summary(
  task: { id: string; type: string | null },
  status: TaskStatusReply | null,
  message: StoredMsg,
): TaskSummary {
  return {
    task_id: task.id,
    status: status?.status ?? 'pending',
    pool_name: status?.pool_name ?? null,
    task_type: task.type,
    duration: null,
    queued_ms: null,
    attempts: status?.attempt ?? null,
    reason: null,
    error: null,
    submitted_at: status?.submitted_at ?? message.time.toISOString(),
    started_at: status?.started_at ?? null,
    finished_at: null,
  }
}

/** The id of a submission is the last part of its subject; a batch's tasks are numbered. */
function tasksIn(message: StoredMsg): { id: string; type: string | null }[] {
  try {
    const body: unknown = JSON.parse(Buffer.from(message.data).toString())
    const id = message.subject.slice(message.subject.lastIndexOf('.') + 1)
    return (Array.isArray(body) ? body : [body]).filter(isJsonObject).map((task, index) => ({
      id: typeof task['task_id'] === 'string' ? task['task_id'] : Array.isArray(body) ? `${id}-${index}` : id,
      type: typeof task['task_type'] === 'string' ? task['task_type'] : null,
    }))
  } catch {
    return []
  }
}
