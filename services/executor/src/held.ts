import type { TaskMessage } from '@poolmesh/bus'

/** What the executor keeps with a batch that it holds: the engine's opaque handle. */
export interface Held {
  /** The message that means ownership; replaced when it is delivered again. */
  message: TaskMessage
  /** `task.completed.<id>`, or `task.branch.<id>` for a branch of a fan-out. */
  readonly resultSubject: string
  /** Where the submitter wants to be told. */
  readonly notify: string | null
  /** Submitted alone: its result is stored as an object and not as an array. */
  readonly alone: boolean
  /** What the outstanding write carries, for the submitter. */
  written: string
  /** Dead letters of its tasks that are being stored; false: they could not be. */
  burial: Promise<boolean> | null
}
