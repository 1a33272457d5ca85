// Where results are stored. Each has a durable consumer of its own, so that one which is down holds up no other.
import type { MemoryHit, MemorySource } from '@poolmesh/types'
import type { Work } from './work.ts'

export type Found = Pick<MemoryHit, 'task_id' | 'text' | 'score'>

export interface Destination {
  readonly source: Exclude<MemorySource, 'recent'>
  /**
   * Stores what is left of these messages, and marks in them what was stored and what was refused.
   * @param stopping begins nothing new when it aborts
   * @throws Trouble once there is no use in going on; what was marked until then counts
   */
  store(works: readonly Work[], stopping: AbortSignal): Promise<void>
  /** Best first. @throws Error with the reason, for people */
  search(query: string, limit: number, timeoutMs: number): Promise<Found[]>
}
