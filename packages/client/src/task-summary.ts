// A task in a list, and the results that a message has.
import { type DistributedTaskResult, isJsonObject, isTerminal, type TaskSummary } from '@poolmesh/types'

export type { TaskSummary } from '@poolmesh/types'

/** Characters of an error that a list shows. */
const ERROR_CHARACTERS = 300

const text = (value: unknown): string | null => (typeof value === 'string' ? value : null)
const number = (value: unknown): number | null => (typeof value === 'number' ? value : null)

/** @param finishedAt when it was stored, RFC 3339 */
export function summaryOf(result: DistributedTaskResult, finishedAt: string): TaskSummary {
  const { metadata } = result
  return {
    task_id: result.task_id,
    status: result.status,
    pool_name: result.pool_name,
    task_type: text(metadata['task_type']),
    duration: result.duration,
    queued_ms: number(metadata['queued_ms']),
    attempts: number(metadata['attempts']),
    reason: text(metadata['reason']),
    error: result.error === null ? null : String(result.error).slice(0, ERROR_CHARACTERS),
    submitted_at: text(metadata['submitted_at']),
    started_at: text(metadata['started_at']),
    finished_at: finishedAt,
  }
}

/** The results in a message, whether one or many, in their order; null for what is none: a stranger may have published it. */
export function readResults(data: Uint8Array): (DistributedTaskResult | null)[] {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.length).toString())
  } catch {
    return []
  }
  return (Array.isArray(value) ? value : [value]).map((one) => (isResult(one) ? one : null))
}

/** As much as readers rely on. A full check of each would cost more than everything else here. */
const isResult = (value: unknown): value is DistributedTaskResult =>
  isJsonObject(value) &&
  typeof value['task_id'] === 'string' &&
  isTerminal(value['status']) &&
  typeof value['duration'] === 'number' &&
  isJsonObject(value['metadata'])
