// A message of the fan-out lane, read: one task, or an array of up to 200.
import type { PulledMessage } from '@poolmesh/bus'
import { type FanOutTask, isFanOut } from '@poolmesh/core'
import {
  type DistributedTask,
  MAX_BATCH_TASKS,
  PoolmeshError,
  parseJson,
  parseTask,
  type RoutingStrategy,
  taskIdInBatch,
} from '@poolmesh/types'

export interface Read {
  alone: boolean
  tasks: FanOutTask[]
  /** What is none, by the id that its place gives it. */
  refused: { taskId: string; error: PoolmeshError }[]
  /** A task without a fan-out that came alone: it is in the wrong lane. */
  astray: DistributedTask | null
}

export function readBatch(message: PulledMessage, id: string, defaultStrategy: RoutingStrategy): Read {
  const read: Read = { alone: true, tasks: [], refused: [], astray: null }
  let body: unknown
  try {
    body = parseJson(message.text(), `the message on ${message.subject}`)
  } catch (error) {
    return { ...read, refused: [{ taskId: id, error: error as PoolmeshError }] }
  }
  if (!Array.isArray(body)) {
    const task = readTask(body, id, defaultStrategy)
    if (task instanceof PoolmeshError) return { ...read, refused: [{ taskId: id, error: task }] }
    return isFanOut(task) ? { ...read, tasks: [task] } : { ...read, astray: task }
  }
  if (body.length === 0 || body.length > MAX_BATCH_TASKS) {
    const problem = `a batch has 1 to ${MAX_BATCH_TASKS} tasks, this one has ${body.length}`
    return { ...read, refused: [{ taskId: id, error: new PoolmeshError('INVALID_INPUT', problem) }] }
  }
  read.alone = false
  for (const [i, input] of body.entries()) {
    const taskId = taskIdInBatch(id, i)
    const task = readTask(input, taskId, defaultStrategy)
    if (task instanceof PoolmeshError) read.refused.push({ taskId, error: task })
    else if (isFanOut(task)) read.tasks.push(task)
    else read.refused.push({ taskId, error: withoutFanOut() })
  }
  return read
}

function readTask(
  input: unknown,
  taskId: string,
  defaultStrategy: RoutingStrategy,
): DistributedTask | PoolmeshError {
  const parsed = parseTask(input, { taskId, defaultStrategy })
  if (!parsed.ok) return parsed.error
  if (parsed.task.task_id === taskId) return parsed.task
  return new PoolmeshError(
    'INVALID_INPUT',
    `task_id is ${parsed.task.task_id}, but the subject says ${taskId}`,
    [{ path: 'task_id', message: `must be ${taskId}, as the subject has it` }],
  )
}

export const withoutFanOut = (): PoolmeshError =>
  new PoolmeshError('INVALID_INPUT', 'the task has no fan_out, so there is nothing to distribute it to', [
    { path: 'fan_out', message: 'is missing' },
  ])
