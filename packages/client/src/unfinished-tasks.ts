// Tasks that wait or run, newest first: they are what lies in the stream of pending tasks.
import type { StoredMsg } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { isJsonObject, isTerminal, STREAMS, type TaskStatus, type TaskStatusReply } from '@poolmesh/types'
import type { DistributedTaskExecutor } from './executor.ts'
import { type BackPage, type FoundBack, itemsBack } from './read-back.ts'
import type { TaskSummary } from './task-summary.ts'

export interface UnfinishedOptions {
  status?: TaskStatus | undefined
  type?: string | undefined
  /** Name of the pool that runs it. */
  pool?: string | undefined
  limit: number
  cursor?: string | undefined
}

/** Questions to the executors at the same time, and for one page. */
const ASKED_AT_ONCE = 16
const MAX_ASKED = 500
const ASK_TIMEOUT_MS = 2_000
/** Tasks of another type that are passed over for one page. */
const MAX_LOOKED = 100_000

interface Waiting {
  id: string
  type: string | null
  /** When it was stored. */
  at: string
}

/** One page. @throws PoolmeshError INVALID_INPUT, UNAVAILABLE; what no executor answers of counts as pending */
export async function unfinishedTasks(
  nc: NatsConnection,
  executor: DistributedTaskExecutor,
  options: UnfinishedOptions,
): Promise<BackPage<TaskSummary>> {
  const { type, limit } = options
  const items: TaskSummary[] = []
  let [asked, looked] = [0, 0]
  let group: FoundBack<Waiting>[] = []
  /** @returns the cursor of the first that has no room left */
  const askGroup = async (): Promise<string | null> => {
    const now = group
    group = []
    asked += now.length
    const found = await Promise.all(now.map(({ item }) => item && look(executor, item, options)))
    for (const [index, summary] of found.entries()) {
      if (!summary) continue
      if (items.length === limit) return now[index]?.cursor ?? null
      items.push(summary)
    }
    return null
  }
  const source = { stream: STREAMS.tasks, subject: 'task.>', cursor: options.cursor, read: tasksIn }
  for await (const found of itemsBack(nc, source)) {
    const full = group.length >= ASKED_AT_ONCE ? await askGroup() : null
    if (full !== null) return { items, cursor: full }
    if (asked >= MAX_ASKED || looked >= MAX_LOOKED || found.spent) {
      return { items, cursor: (await askGroup()) ?? found.cursor }
    }
    looked++
    if (found.item && (type === undefined || found.item.type === type)) group.push(found)
  }
  return { items, cursor: await askGroup() }
}

/** Null where it has ended, or is not what is wanted. */
async function look(
  executor: DistributedTaskExecutor,
  task: Waiting,
  { status: wanted, pool }: UnfinishedOptions,
): Promise<TaskSummary | null> {
  const state: TaskStatusReply | null = await executor
    .getTaskStatus(task.id, { timeoutMs: ASK_TIMEOUT_MS })
    .catch(() => null)
  const status = state?.status ?? 'pending'
  if (isTerminal(status) || (wanted !== undefined && status !== wanted)) return null
  if (pool !== undefined && state?.pool_name !== pool) return null
  return {
    task_id: task.id,
    status,
    pool_name: state?.pool_name ?? null,
    task_type: task.type,
    duration: null,
    queued_ms: null,
    attempts: state?.attempt ?? null,
    reason: null,
    error: null,
    submitted_at: state?.submitted_at ?? task.at,
    started_at: state?.started_at ?? null,
    finished_at: null,
  }
}

/** The id of a submission is the last part of its subject; a batch's tasks are numbered. */
function tasksIn(message: StoredMsg): Waiting[] {
  let body: unknown
  try {
    body = message.json()
  } catch {
    return []
  }
  const submission = message.subject.slice(message.subject.lastIndexOf('.') + 1)
  const at = message.time.toISOString()
  return (Array.isArray(body) ? body : [body]).filter(isJsonObject).map((task, index) => ({
    id:
      typeof task['task_id'] === 'string'
        ? task['task_id']
        : Array.isArray(body)
          ? `${submission}-${index}`
          : submission,
    type: typeof task['task_type'] === 'string' ? task['task_type'] : null,
    at,
  }))
}
