import type { Answer, Cancellation, Run } from '@poolmesh/core'
import type { PoolDescriptor } from '@poolmesh/types'

/** What an adapter tells of the runs that it was given. Calls for a run that is over are late answers: counted, no more. */
export interface RunEvents {
  /** @param attempt null where the pool did not say it: the task's current run is meant */
  answer(pool: string, taskId: string, attempt: number | null, answer: Answer): void
  /** The pool is not there, and the task was not begun. */
  gone(pool: string, taskId: string, attempt: number): void
  /**
   * The task was begun, or may have been, and no answer can come any more. It is no attempt of the task's.
   * @param problem what happened, where that is known; kept in the task's history
   */
  lost(pool: string, taskId: string, attempt: number, problem?: string): void
}

/** Who is told how far runs are; `Progress` of the bus publishes it. */
export interface ProgressSink {
  /** @param fraction 0 to 1; null: only the message is known */
  report(run: RunId, fraction: number | null, message: string | undefined): void
  /** The run is over: its result says the rest. */
  forget(run: RunId): void
}

/** The same object for as long as the run lasts. */
export interface RunId {
  readonly pool: string
  readonly taskId: string
  readonly attempt: number
}

/** What can be done with the runs of a pool. */
export interface Traits {
  /** Of a pool that is told to stop a task: it says when it has, it is asked and may never say, or it cannot be asked. */
  cancel: Cancellation
  /** Whether its answers have what a task gave; false: a text about it at most, which `task.explain` says too. */
  output: boolean
  /**
   * How the runs of an executor that is gone are found again: the pool lists what it runs, it can be asked for each run by
   * its task's id, or it tells of none and only who sent them knows.
   */
  adoption: 'listed' | 'by_id' | 'none'
  /** Its answers come over a connection of the adapter's own: none is missed while the one to the bus is cut. */
  direct?: boolean
}

/** How tasks reach the pools of a kind. Nothing answers at once: what happens to a run is told by {@link RunEvents}. */
export interface PoolAdapter extends Disposable {
  /** Whether pools such as that are of this kind. */
  serves(pool: PoolDescriptor): boolean
  /** Of a pool of this kind that no task can be sent to: why; else null. */
  obstacle?(pool: PoolDescriptor): string | null
  traits(pool: PoolDescriptor): Traits
  /** Tells what it hears from now on, also of what came in while it stood by. */
  act(): Promise<void>
  /** Another sends tasks now: forgets its runs, and tells no pool to stop. */
  standBy(): void
  /** Sent with the next {@link flush}, so that what is for one pool can go together. */
  add(run: Run): void
  flush(): void
  /** A run that an earlier executor sent, to be watched from now on. */
  adopt(run: Run): void
  /** Asks the pool to stop a task if it can. */
  cancel(pool: string, taskId: string, reason: string): void
  /**
   * Asks pools what they run for us. Answers that they still have are told as {@link RunEvents.answer} before.
   * @returns the runs by pool, of those that answered in time; only of pools that list them
   */
  running(pools: readonly PoolDescriptor[], timeoutMs: number): Promise<Map<string, KnownRuns>>
  /** The pool has drained and was taken out: what is left of its runs may go. */
  retire?(pool: PoolDescriptor): void
  /** Forgets what can no longer matter; called every few seconds. */
  sweep(): void
}

/** What a pool runs: the tasks' ids with the numbers of their runs. */
export type KnownRuns = readonly { taskId: string; attempt: number; startedAt: number }[]
