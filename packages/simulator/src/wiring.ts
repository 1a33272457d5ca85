// What the parts of one executor share.
import type { Batch, TaskEngine } from '@poolmesh/core'
import type { DistributedTask } from '@poolmesh/types'
import type { Delivery } from './lane.ts'
import type { Connection } from './network.ts'
import type { Oracle } from './oracle.ts'
import type { Process } from './process.ts'
import type { Random } from './random.ts'
import type { StoredMessage } from './store.ts'
import type { Variant } from './variant.ts'

/** The engine's handle of a batch. */
export interface Held {
  delivery: Delivery
  /** Further submissions of the same id: acknowledged with it, since the first may be gone from the stream. */
  readonly others: Delivery[]
  /** Its sequence is another message's by now. */
  isGone: boolean
  /** The connection was cut since the last write: the next one reads first. */
  isDoubtful: boolean
  readonly alone: boolean
  /** Where its results are told. */
  readonly notify: string
  /** Under which they are stored. */
  readonly subject: string
}

export type HeldBatch = Batch<Held>
export type Engine = TaskEngine<Held>

export interface Wiring {
  readonly id: string
  readonly process: Process
  readonly connection: Connection
  readonly random: Random
  readonly oracle: Oracle
  readonly variant: Variant
  readonly engine: () => Engine
  /** Whether this executor dispatches now. */
  readonly mayAct: () => boolean
}

export const isPlain = (pool: { metadata: Record<string, unknown> }): boolean =>
  (pool.metadata['poolmesh'] as { batch?: unknown } | undefined)?.batch !== true

/** Under which the results of a message's tasks are stored; those of branches are no submitter's. */
export const resultSubject = (message: StoredMessage): string =>
  message.parent === null ? message.id : `branch.${message.id}`

/** Where they are told: to the submitter, or to the distributors. */
export const notifyTopic = (message: StoredMessage): string =>
  message.parent === null ? `notify.${message.id}` : `branch.${message.parent}`

export const keyOf = (taskId: string, attempt: number): string => `${taskId}/${attempt}`

/** What travels to a pool. */
export interface Work {
  readonly task: DistributedTask
  readonly attempt: number
  /** Virtual ms, for the oracle. */
  readonly sentAt: number
}

/** What pools say of what they run. */
export interface SaidRunning {
  readonly runs: readonly { taskId: string; attempt: number; ageMs: number }[]
}

export interface PoolAnswerMessage {
  readonly pool: string
  readonly taskId: string
  readonly attempt: number
  readonly status: 'completed' | 'failed' | 'timeout' | 'cancelled'
  readonly refused?: boolean
}
