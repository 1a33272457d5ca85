import type { Answer, Run } from '@poolmesh/core'
import type { PoolDescriptor } from '@poolmesh/types'

/** What an adapter tells of the runs that it was given. Calls for a run that is over are late answers: counted, no more. */
export interface RunEvents {
  /** @param attempt null where the pool did not say it: the task's current run is meant */
  answer(pool: string, taskId: string, attempt: number | null, answer: Answer): void
  /** The pool is not there, and the task was not begun. */
  gone(pool: string, taskId: string, attempt: number): void
}

/** How tasks reach the pools of a kind. Nothing answers at once: what happens to a run is told by {@link RunEvents}. */
export interface PoolAdapter extends Disposable {
  /** Sent with the next {@link flush}, so that what is for one pool can go together. */
  add(run: Run): void
  flush(): void
  /** Asks the pool to stop a task if it can. */
  cancel(pool: string, taskId: string, reason: string): void
  /**
   * Asks pools what they run for us. Answers that they still have are told as {@link RunEvents.answer} before.
   * @returns the runs by pool, of those that answered in time
   */
  running(pools: readonly PoolDescriptor[], timeoutMs: number): Promise<Map<string, KnownRuns>>
  /** Whether a pool of the kind can be asked that. What others run has to be remembered by whoever sent it. */
  canTell(pool: PoolDescriptor): boolean
  /** Forgets what can no longer matter; called every few seconds. */
  sweep(): void
}

/** What a pool runs: the tasks' ids with the numbers of their runs. */
export type KnownRuns = readonly { taskId: string; attempt: number; startedAt: number }[]
