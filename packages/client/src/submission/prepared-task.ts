// A task as it goes over the wire: checked, printed once, and where it belongs.
import { activeTrace } from '@poolmesh/bus'
import {
  type DistributedTaskInput,
  type Lane,
  laneOf,
  MAX_BATCH_BYTES,
  PoolmeshError,
  parseTask,
} from '@poolmesh/types'

export interface PreparedTask {
  /** JSON as the caller gave the task: what was left out is filled in by the executor, by its settings. */
  readonly text: string
  readonly bytes: number
  readonly lane: Lane
  /** Chosen by the caller; such a task goes alone, so that the id is its subject. */
  readonly id: string | null
  /** It shares no message with others. */
  readonly alone: boolean
}

/** Stands in where the id is made later; the check wants one. */
const NO_ID = 'x'

/**
 * @throws PoolmeshError INVALID_INPUT with a path into the task for each fault, PAYLOAD_TOO_LARGE where it has no
 *   JSON that fits into memory
 */
export function prepareTask(input: DistributedTaskInput): PreparedTask {
  const parsed = parseTask(input, { taskId: NO_ID })
  if (!parsed.ok) throw parsed.error
  const { task } = parsed
  const text = print(inActiveTrace(input))
  const bytes = Buffer.byteLength(text)
  const id = input.task_id ?? null
  return {
    text,
    bytes,
    id,
    lane: task.fan_out ? 'fanout' : laneOf(task.priority),
    alone: id !== null || task.fan_out != null || bytes > MAX_BATCH_BYTES,
  }
}

/** What the caller names itself stands. */
function inActiveTrace(input: DistributedTaskInput): DistributedTaskInput {
  const trace = activeTrace()
  if (trace === undefined || input.metadata?.['traceparent'] !== undefined) return input
  return { ...input, metadata: { ...input.metadata, ...trace } }
}

function print(input: DistributedTaskInput): string {
  let text: string | undefined
  try {
    text = JSON.stringify(input)
  } catch (cause) {
    if (cause instanceof RangeError && /string length/i.test(cause.message))
      throw new PoolmeshError('PAYLOAD_TOO_LARGE', 'the task is larger than 64 MiB of JSON', [], { cause })
    const message = `has no JSON form: ${(cause as Error).message.split('\n')[0]}`
    throw new PoolmeshError('INVALID_INPUT', `the task ${message}`, [{ path: '', message }], { cause })
  }
  // A toJSON method may make anything of it.
  if (text?.startsWith('{"') === true) return text
  const message = 'is no object in its JSON form'
  throw new PoolmeshError('INVALID_INPUT', `the task ${message}`, [{ path: '', message }])
}

/** The text with the id in it, for a task that goes alone and has none. */
export const withTaskId = (text: string, id: string): string => `{"task_id":"${id}",${text.slice(1)}`
