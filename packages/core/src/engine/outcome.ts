// From what happened to the result that is stored.
import type { DistributedTaskResult, ErrorCode, PoolAnswer, TerminalStatus } from '@poolmesh/types'
import type { Cancellation } from '../routing/index.ts'
import { isoTime } from '../time.ts'
import type { Entry, Run } from './records.ts'

/** What a pool said of a run; `invalid` is an answer that is no result. */
export type Answer = { kind: 'answer'; answer: PoolAnswer } | { kind: 'invalid'; problem: string }

export interface Ending {
  status: TerminalStatus
  reason?: ErrorCode
  error?: string
  /** Of a task that ran when it was cancelled. */
  cancellation?: Cancellation | undefined
}

/** A result without a pool's answer: timeouts, cancellations, losses. */
export function endedWithout(
  entry: Entry,
  ending: Ending,
  run: Run | null,
  now: number,
): DistributedTaskResult {
  return {
    task_id: entry.task.task_id,
    pool_name: run?.pool.name ?? null,
    status: ending.status,
    output: null,
    error: ending.error ?? null,
    duration: run ? Math.max(0, now - run.startedAt) / 1000 : 0,
    metadata: metadataOf(entry, ending.reason, ending.cancellation ? { cancel: ending.cancellation } : null),
  }
}

/** The result that a pool's answer makes. What the pool says of names and ids is replaced by what is known. */
export function endedWith(
  entry: Entry,
  run: { readonly pool: { readonly name: string }; readonly startedAt: number },
  answer: PoolAnswer,
  reason: ErrorCode | undefined,
  now: number,
): DistributedTaskResult {
  const measured = Math.max(0, now - run.startedAt) / 1000
  const result: DistributedTaskResult = {
    task_id: entry.task.task_id,
    pool_name: run.pool.name,
    status: answer.status,
    output: answer.output ?? null,
    error: answer.error ?? null,
    duration: answer.duration ?? measured,
    metadata: metadataOf(entry, reason, answer.metadata ?? null),
  }
  // Unknown fields are passed on; `output_ref` is how large outputs travel.
  for (const key in answer) if (!isKnown(key)) result[key] = answer[key]
  return result
}

/** Names of parsed JSON are the same strings as these, so that comparing costs less than a set. */
const isKnown = (key: string): boolean =>
  key === 'task_id' ||
  key === 'pool_name' ||
  key === 'status' ||
  key === 'output' ||
  key === 'error' ||
  key === 'duration' ||
  key === 'metadata' ||
  key === 'attempt' ||
  key === '__proto__'

function metadataOf(
  entry: Entry,
  reason: ErrorCode | undefined,
  fromPool: Record<string, unknown> | null,
): DistributedTaskResult['metadata'] {
  const attempts = entry.attempts
  const queued_ms = Math.round(entry.queuedMs)
  const submitted_at = isoTime(entry.batch.submittedAt)
  const started_at = entry.firstStartedAt > 0 ? isoTime(entry.firstStartedAt) : null
  // What nearly every task that completed has, and nothing else.
  if (started_at !== null && !reason && entry.history.length === 0 && isEmpty(fromPool))
    return { attempts, queued_ms, submitted_at, started_at }
  const metadata: DistributedTaskResult['metadata'] = { ...fromPool, attempts, queued_ms, submitted_at }
  if (started_at !== null) metadata['started_at'] = started_at
  if (reason) metadata['reason'] = reason
  if (entry.history.length > 0) metadata['history'] = entry.history
  return metadata
}

function isEmpty(object: Record<string, unknown> | null): boolean {
  for (const _ in object) return false
  return true
}
