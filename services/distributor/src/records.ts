// What the distributor holds of the work in flight. A batch is the unit of storage and ownership, usually of one task; a
// parent is one fan-out task of it.
import type { PulledMessage } from '@poolmesh/bus'
import type { Branch, FanOutRun, FanOutTask } from '@poolmesh/core'
import type { DistributedTaskResult } from '@poolmesh/types'

export interface Batch {
  readonly id: string
  /** The message that means ownership; replaced when it is delivered again. */
  message: PulledMessage
  /** Further submissions of the same id: acknowledged with it, since the first may be gone from the stream. */
  readonly others: PulledMessage[]
  /** A server that lost its last writes has given the message's sequence to another: nothing may be said of it. */
  isGone: boolean
  /** Submitted alone: its result is stored as an object and not as an array. */
  readonly alone: boolean
  /** Where the results are to be told. */
  readonly notify: Set<string>
  /** Milliseconds since the epoch, by the broker's clock. */
  readonly submittedAt: number
  /** Somebody had it before, so branches may have been started. */
  readonly takenOver: boolean
  /** What it takes in memory, roughly. */
  bytes: number
  /** Tasks without a stored result. */
  open: number
  /** Ids of those of its tasks that were no fan-outs: they have a result, but no parent. */
  readonly failed: Set<string>
  /** Results that no write has stored yet. */
  ready: DistributedTaskResult[]
  writing: boolean
  /** The sequence that the next write must name. */
  lastSequence: number
}

export interface Parent {
  readonly batch: Batch
  readonly task: FanOutTask
  /** When waiting for a pool ends in `timeout` (ms since the epoch). */
  readonly deadline: number
  /** `beginning`: what went before is looked up. `stored`: over. */
  state: 'waiting' | 'beginning' | 'running' | 'ended' | 'stored'
  /** While it waits: when to begin, or Infinity where it waits for a pool. */
  beginAt: number
  run: FanOutRun | null
  /** Prints the branches' tasks. */
  print: (branch: Branch) => string
  /** The payload on its way into the object store, since with it a branch is too large for a message. */
  claiming: Promise<boolean> | null
  claimed: boolean
  /** Branches whose submission was not taken: since when, and when to try again (ms since the epoch). */
  readonly unsent: Map<Branch, { since: number; at: number }>
  /** Somebody cancelled it while it was beginning; empty where no reason was given. */
  cancelReason: string | null
  /** Once it is decided: when the losers' outcomes are not waited for any longer. */
  closeBy: number
  /** A look at the stored results of outstanding branches, or the writes that end them, are under way. */
  busy: boolean
  /** When to look, because nothing was heard; and the pause after that (ms). */
  pollAt: number
  pollPause: number
  /** Told the result that is stored, ours or another's. */
  readonly onStored: ((result: DistributedTaskResult) => void)[]
}
