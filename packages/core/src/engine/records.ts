// What the engine holds of the work in flight. A batch is the unit of storage and ownership, an entry is one task of it,
// a run is one try of an entry on one pool.
import type { DistributedTask, DistributedTaskResult, PriorityLane } from '@poolmesh/types'
import type { PoolState, Preferences } from '../routing/index.ts'
import type { HeapItem } from './heap.ts'
import type { Timed } from './timers.ts'
import type { Signature } from './waiting.ts'

/** A batch as it was taken from the stream. `handle` is the caller's own, given back with every call about the batch. */
export interface Submission<Handle> {
  id: string
  handle: Handle
  lane: PriorityLane
  tasks: DistributedTask[]
  /**
   * Of each task its JSON as it was submitted, for pools that fill in what was left out; null where that would be filled in
   * otherwise. Left out: of none.
   */
  texts?: readonly (string | null)[]
  /** Results of what was in the batch and is no task. */
  failed: DistributedTaskResult[]
  /** Milliseconds since the epoch, by the broker's clock. */
  submittedAt: number
  /** What the batch takes in memory, roughly: the message's size. */
  bytes: number
  /** Results that are stored already, and the sequence of the last write; empty and 0 for a new batch. */
  stored: DistributedTaskResult[]
  lastSequence: number
  /** Somebody had it before, so its tasks may have been begun. */
  handedOver: boolean
}

export interface Batch<Handle> {
  readonly id: string
  readonly handle: Handle
  readonly lane: PriorityLane
  readonly submittedAt: number
  readonly bytes: number
  entries: Entry[]
  /** Entries without a stored result whose ids are `<batch>-<index>`, by that index. Belongs to {@link HeldTasks}. */
  seats: (Entry | undefined)[]
  /** The same of the one whose id is the batch's. */
  own: Entry | null
  /** Entries without an outcome. */
  open: number
  /** Outcomes that are not handed to a write yet. */
  ready: DistributedTaskResult[]
  /** Outcomes in the write that is outstanding; empty when none is. */
  writing: DistributedTaskResult[]
  /** The sequence that the next write must name. */
  lastSequence: number
  phase: 'held' | 'parking' | 'closed'
}

type EntryState = 'waiting' | 'delayed' | 'running' | 'settled'

export interface Entry extends HeapItem, Timed {
  readonly kind: 'entry'
  readonly task: DistributedTask
  /** See {@link Submission.texts}. */
  readonly text: string | null
  // biome-ignore lint/suspicious/noExplicitAny: the handle is opaque here; TaskEngine's own methods keep its type
  readonly batch: Batch<any>
  /** Referred to while the task has no outcome. */
  signature: Signature
  /** May be shared with other tasks: replaced, never changed. */
  preferences: Readonly<Preferences>
  readonly lane: number
  /** Orders entries of one priority: first in, first out. */
  readonly order: number
  state: EntryState
  /** Why it is delayed. */
  delay: 'not_before' | 'backoff' | null
  /** Runs so far; the fencing number of the next run is one more. */
  runs: number
  /** Failures that pools reported: what `max_attempts` bounds. */
  attempts: number
  /** Pools lost under it. */
  losses: number
  /** When it began to wait for a pool (ms), for `queue_timeout`. */
  waitingSince: number
  queuedMs: number
  firstStartedAt: number
  run: Run | null
  /** What went wrong on the way, for the result's metadata; the last 20. */
  history: readonly Misfortune[]
}

/** Times are RFC 3339. */
interface Misfortune {
  pool: string
  reason: string
  error?: string
  /** Left out where the run was not begun, or began under another owner. */
  started_at?: string
  /** When it was noticed. */
  at: string
}

export interface Run extends Timed {
  readonly kind: 'run'
  readonly entry: Entry
  readonly pool: PoolState
  /** The fencing number: grows with each run of the task. */
  readonly attempt: number
  readonly startedAt: number
  readonly deadline: number
  /** Given up (timeout, cancel, loss), but it may still hold its slot in the pool. */
  abandoned: boolean
  /** Among the runs of its pool; -1 once it has given back its slot. */
  place: number
}
