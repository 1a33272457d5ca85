import type { Answer, Run } from '@poolmesh/core'

/** What an adapter tells of the runs that it was given. Calls for a run that is over are late answers: counted, no more. */
export interface RunEvents {
  /** @param attempt null where the pool did not say it: the task's current run is meant */
  answer(taskId: string, attempt: number | null, answer: Answer): void
  /** The pool is not there, and the task was not begun. */
  gone(taskId: string, attempt: number): void
  /** What was told may be worked on: called once after the answers of one message. */
  flush(): void
}

/** How tasks reach the pools of a kind. Nothing answers at once: what happens to a run is told by {@link RunEvents}. */
export interface PoolAdapter extends Disposable {
  /** Sent with the next {@link flush}, so that what is for one pool can go together. */
  add(run: Run): void
  flush(): void
  /** Asks the pool to stop a task if it can. */
  cancel(pool: string, taskId: string, reason: string): void
  /** Forgets what can no longer matter; called every few seconds. */
  sweep(): void
}
