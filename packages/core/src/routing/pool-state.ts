import type { Candidate, HealthStatus, PoolDescriptor } from '@poolmesh/types'
import type { CapabilityGroup } from './capability-group.ts'

/** Of a task that is cancelled while it runs: its pool says when it has stopped, is asked only, or cannot be asked. */
export type Cancellation = NonNullable<Candidate['cancel']>

/** How near a pool is to being chosen: the first thing that every strategy compares. */
export const Rank = {
  HEALTHY: 0,
  DEGRADED: 1,
  /** It would do, but has no free slot now, or is suspended. */
  BUSY: 2,
  /** Unavailable, draining, of a kind that no task can be sent to, or no longer registered. */
  OUT: 3,
} as const
export type Rank = (typeof Rank)[keyof typeof Rank]

/** A pool as the table keeps it. {@link PoolState} is the same, for reading. */
export class Pool {
  readonly name: string
  descriptor: PoolDescriptor
  health: HealthStatus
  draining = false
  /** Whether tasks can be sent to pools of its kind. */
  served = true
  /** Of one that is not served: why, where more is known than its kind. */
  obstacle: string | null = null
  /** What becomes of a cancel there; undefined: not known. */
  cancel: Cancellation | undefined
  /** Whether its answers have what a task gave; undefined: not known. */
  output: boolean | undefined
  suspended = false
  /** Tasks of ours that hold a slot. */
  running = 0
  /** Workers that are busy with somebody else's work. */
  foreign = 0
  queueSize = 0
  /** Tasks that were sent to it by this table. */
  dispatches = 0
  /** When it was last used, in dispatches of this table; 0 for never. */
  lastUsed = 0
  /** Order of registration: the last resort to tell equals apart. */
  readonly serial: number
  rank: Rank = Rank.OUT
  /** Slots that can be given away now: 0 unless the rank is healthy or degraded. */
  open = 0
  /** Grows when the pool is lost, so that what was remembered of it before is void. */
  losses = 0
  /** Where the table has it. */
  group: CapabilityGroup | null = null
  leaf = -1

  constructor(descriptor: PoolDescriptor, serial: number) {
    this.name = descriptor.name
    this.descriptor = descriptor
    this.health = descriptor.health_status
    this.serial = serial
  }

  /** (running + foreign) / max_workers; over 1 where others overload it. */
  get load(): number {
    return (this.running + this.foreign) / this.descriptor.max_workers
  }

  get freeSlots(): number {
    return Math.max(0, this.descriptor.max_workers - this.running - this.foreign)
  }
}

export type PoolState = Readonly<Pool>

export function rankOf(pool: PoolState): Rank {
  if (pool.group === null || pool.draining || !pool.served || pool.health === 'unavailable') return Rank.OUT
  if (pool.suspended || pool.running + pool.foreign >= pool.descriptor.max_workers) return Rank.BUSY
  return pool.health === 'healthy' ? Rank.HEALTHY : Rank.DEGRADED
}

/** Load order: less loaded, then the shorter queue, then the one used least recently, then the older registration. */
export function lessLoaded(a: PoolState, b: PoolState): boolean {
  // The fractions crosswise: exact, and no division.
  const difference =
    (a.running + a.foreign) * b.descriptor.max_workers - (b.running + b.foreign) * a.descriptor.max_workers
  if (difference !== 0) return difference < 0
  if (a.queueSize !== b.queueSize) return a.queueSize < b.queueSize
  if (a.lastUsed !== b.lastUsed) return a.lastUsed < b.lastUsed
  return a.serial < b.serial
}
