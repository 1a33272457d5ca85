import type { TaskMessage } from '@poolmesh/bus'
import type { Batch } from '@poolmesh/core'

/** Submissions of one id that are kept beside the first. */
const MAX_OTHERS = 16
/** The broker says within that time whether it has stored a batch away, or nothing. */
const PARKING_MS = 5_000

/** What the executor keeps with a batch that it holds: the engine's opaque handle. */
export interface Held {
  /** The message that means ownership; replaced when it is delivered again. */
  message: TaskMessage
  /** Further submissions of the same id: acknowledged with it, since the first may be gone from the stream. */
  readonly others: TaskMessage[]
  /**
   * A server that lost its last writes gives their sequences away again: this one is another message's by now, so that nothing
   * may be said of it.
   */
  isGone: boolean
  /** The connection was cut since the last write: what was stored may be lost, and its sequence another's. */
  isDoubtful: boolean
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

/** Every task of the batch has a stored result, or is parked. */
export function acknowledge({ message, others, isGone }: Held): void {
  if (!isGone) message.ack()
  for (const other of others) other.ack()
}

/**
 * Delivered again although it is held: the newer delivery is the one to acknowledge. A second submission is no other task, and
 * is acknowledged with the first. What comes while the batch is being stored away may be that very copy, so it has to stay.
 */
export function again({ handle, phase }: Batch<Held>, message: TaskMessage): void {
  const other = handle.others.findIndex(({ sequence }) => sequence === message.sequence)
  if (handle.message.sequence === message.sequence && !handle.isGone) handle.message = message
  else if (other >= 0) handle.others[other] = message
  else if (phase === 'parking') message.nak(PARKING_MS)
  else if (handle.others.length < MAX_OTHERS) handle.others.push(message)
  else message.ack()
}
