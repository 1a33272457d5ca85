// Reads what comes on `pool.work.<name>`: one DistributedTask with headers, or an array of {attempt, task_id, task}.
// Lenient, since executors have checked every task: only what a run cannot do without has to be there.
import type { MsgHdrs } from '@nats-io/transport-node'
import {
  completeFields,
  DEFAULT_TIMEOUT_S,
  type DistributedTask,
  HEADERS,
  isId,
  isJsonObject,
} from '@poolmesh/types'

/** One run of one task. */
export interface WorkItem {
  task: DistributedTask
  attempt: number
}

/** Work that cannot be run. */
export interface BadItem {
  /** Null where it has none that can be read. */
  taskId: string | null
  attempt: number
  problem: string
}

export interface Work {
  /** The message was an array, and its sender takes arrays of answers. */
  many: boolean
  items: WorkItem[]
  bad: BadItem[]
}

/** Never throws. */
export function readWork(text: string, headers: MsgHdrs | undefined): Work {
  const work: Work = { many: false, items: [], bad: [] }
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch (error) {
    work.bad.push({ taskId: null, attempt: 1, problem: `the work is not JSON: ${(error as Error).message}` })
    return work
  }
  if (Array.isArray(body)) {
    work.many = true
    for (const item of body) {
      if (isJsonObject(item)) add(work, item['task'], attemptOf(item['attempt']), item['task_id'])
      else work.bad.push({ taskId: null, attempt: 1, problem: 'an item of the work is not an object' })
    }
  } else add(work, body, attemptOf(Number(headers?.get(HEADERS.attempt))))
  return work
}

const attemptOf = (value: unknown): number =>
  Number.isSafeInteger(value) && (value as number) >= 1 ? (value as number) : 1

/** @param id of a task that has none of its own: it is as it was submitted */
function add(work: Work, value: unknown, attempt: number, id?: unknown): void {
  const task = isJsonObject(value) ? value : {}
  const taskId = isId(task['task_id']) ? task['task_id'] : isId(id) ? id : null
  const problem = problemOf(value, task, taskId)
  if (problem !== null || taskId === null) work.bad.push({ taskId, attempt, problem: problem ?? '' })
  else work.items.push({ task: complete(task, taskId), attempt })
}

function problemOf(value: unknown, task: Record<string, unknown>, taskId: string | null): string | null {
  if (!isJsonObject(value)) return 'the task is not an object'
  if (taskId === null) return 'the task has no task_id that is an id'
  if (typeof task['task_type'] !== 'string') return 'the task_type is not a string'
  if (!isJsonObject(task['payload'])) return 'the payload is not an object'
  return null
}

/** Fills in what a handler may rely on, and passes on what is not known. */
function complete(task: Record<string, unknown>, taskId: string): DistributedTask {
  const timeout = isTimeout(task['timeout']) ? task['timeout'] : DEFAULT_TIMEOUT_S
  return completeFields(task, taskId, {
    timeout,
    required_capabilities: Array.isArray(task['required_capabilities']) ? task['required_capabilities'] : [],
    metadata: isJsonObject(task['metadata']) ? task['metadata'] : {},
  })
}

const isTimeout = (value: unknown): value is number => typeof value === 'number' && value > 0 && value <= 3600
