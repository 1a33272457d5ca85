import type { HealthStatus, PoolDescriptor } from '@poolmesh/types'
import { AffinityTable } from './affinity.ts'
import { type Explanation, explain } from './explain.ts'
import { type Cancellation, Pool, type PoolState, Rank, rankOf } from './pool-state.ts'
import { covers, type Preferences, type Requirements } from './requirements.ts'
import { Router } from './router.ts'

/** What is known of a pool beside its descriptor. */
interface PoolFacts {
  draining?: boolean
  /** Where more is known of it than the descriptor says. */
  health?: HealthStatus
  /** Whether tasks can be sent to pools of its kind; true if left out. */
  served?: boolean
  /** Why not, where more is known than that. */
  obstacle?: string | null
  cancel?: Cancellation
  /** Whether its answers have an output. */
  output?: boolean
}

export interface PoolTableOptions {
  /** Views kept for requirements (and their regions, preferred capabilities, rounds) in use; default 256. */
  maxViews?: number
  /** Entries of all views together, each a pool or a kind of pools, some 60 bytes; default 2,000,000. */
  maxViewEntries?: number
  /** Affinity keys that are remembered; default 100,000. */
  maxAffinityKeys?: number
}

/**
 * All pools with their health and live load, and the choice among them.
 *
 * Pools that no requirement can tell apart (same capabilities, same region) form a group, which keeps them in order. A
 * view for each set of requirements keeps the fitting groups in order. A choice looks at the top of a view; a dispatch
 * moves one pool in its one group, O(log n), and notes in the views of that group that its top has changed.
 *
 * Invariants:
 *  P1  a pool that is chosen meets the requirements, is not unavailable, draining or suspended, and has a free slot
 *  P2  a degraded pool is chosen only where no healthy one can be, whatever is preferred or to be avoided
 *  P3  the choice is the same as that of a look at every pool
 */
export class PoolTable {
  /** Called when a pool can take work, or more work, or other work than before. */
  onCapacity: ((pool: PoolState) => void) | undefined
  readonly #pools = new Map<string, Pool>()
  /** Pools that run tasks of ours, or did so and are registered. Removed ones too: their slots count when they come back. */
  readonly #busy = new Map<string, Pool>()
  readonly #affinity: AffinityTable
  readonly #router: Router
  /** The turn that `acquire` takes when it follows a choice by round robin. */
  #turn: { pool: PoolState; requirements: Requirements } | null = null
  #dispatches = 0
  #registrations = 0
  #freeSlots = 0

  constructor(options: PoolTableOptions = {}) {
    this.#affinity = new AffinityTable(options.maxAffinityKeys ?? 100_000)
    this.#router = new Router(
      this.#affinity,
      options.maxViews ?? 256,
      options.maxViewEntries ?? 2_000_000,
      () => this.#dispatches,
    )
  }

  // ---- what is known of pools ----------------------------------------------------------------------------------

  get size(): number {
    return this.#pools.size
  }

  get(name: string): PoolState | undefined {
    return this.#pools.get(name)
  }

  values(): IterableIterator<PoolState> {
    return this.#pools.values()
  }

  /** Pools that run something of ours. */
  *busy(): IterableIterator<PoolState> {
    for (const pool of this.#busy.values()) if (pool.group && pool.running > 0) yield pool
  }

  /**
   * A registration, new or again; what runs there goes on to count.
   */
  upsert(descriptor: PoolDescriptor, state: PoolFacts = {}): PoolState {
    const { name } = descriptor
    let pool = this.#pools.get(name)
    if (!pool) {
      pool = this.#busy.get(name) ?? new Pool(descriptor, ++this.#registrations)
      this.#pools.set(name, pool)
    }
    pool.descriptor = this.#router.place(pool, descriptor).shared(descriptor)
    pool.draining = state.draining ?? false
    pool.served = state.served ?? true
    pool.obstacle = state.obstacle ?? null
    pool.cancel = state.cancel
    pool.output = state.output
    pool.queueSize = descriptor.queue_size
    pool.foreign = Math.max(0, descriptor.current_workers - pool.running)
    this.#setHealth(pool, state.health ?? descriptor.health_status)
    this.#settle(pool, true)
    return pool
  }

  remove(name: string): PoolState | undefined {
    const pool = this.#pools.get(name)
    if (!pool) return undefined
    this.#pools.delete(name)
    if (pool.running === 0) this.#busy.delete(name)
    pool.losses++
    pool.suspended = false
    this.#router.leave(pool)
    this.#settle(pool)
    return pool
  }

  /** What the health monitor found. Nothing happens where the pool is not registered; so with all that follows. */
  setHealth(name: string, status: HealthStatus): void {
    const pool = this.#pools.get(name)
    if (!pool) return
    this.#setHealth(pool, status)
    this.#settle(pool)
  }

  /** A suspended pool is not chosen, whatever its health. */
  setSuspended(name: string, suspended: boolean): void {
    const pool = this.#pools.get(name)
    if (!pool) return
    pool.suspended = suspended
    this.#settle(pool)
  }

  /** What the pool says of its load; the part of it that is not ours is somebody else's. */
  heartbeat(name: string, currentWorkers: number, queueSize: number): void {
    const pool = this.#pools.get(name)
    if (!pool) return
    const foreign = Math.max(0, currentWorkers - pool.running)
    if (foreign === pool.foreign && queueSize === pool.queueSize) return
    pool.foreign = foreign
    pool.queueSize = queueSize
    this.#settle(pool)
  }

  // ---- dispatching ---------------------------------------------------------------------------------------------

  /** A task goes to the pool. Right after a choice by round robin that is the pool's turn. */
  acquire(pool: PoolState): void {
    const own: Pool = pool
    if (own.running++ === 0) this.#busy.set(own.name, own)
    own.lastUsed = ++this.#dispatches
    own.dispatches++
    if (this.#turn?.pool === pool) this.#router.rotation(this.#turn.requirements)?.took(own)
    this.#turn = null
    this.#settle(own)
  }

  /** A task has given its slot back, be the pool registered still or not. */
  release(pool: PoolState): void {
    const own: Pool = pool
    if (own.running === 0) return
    if (--own.running === 0 && this.#pools.get(own.name) !== own) this.#busy.delete(own.name)
    this.#settle(own)
  }

  completed(affinityKey: string, poolName: string): void {
    const pool = this.#pools.get(poolName)
    if (pool) this.#affinity.completed(affinityKey, pool)
  }

  failed(affinityKey: string, poolName: string): void {
    const pool = this.#pools.get(poolName)
    if (pool) this.#affinity.failed(affinityKey, pool)
  }

  /** Slots that can be given away now, over all pools. */
  get freeSlotsTotal(): number {
    return this.#freeSlots
  }

  hasFreeSlot(): boolean {
    return this.#freeSlots > 0
  }

  // ---- the decision --------------------------------------------------------------------------------------------

  /** Whether the pool has the capabilities, and the name where one is asked for; load and health aside. */
  fits(pool: PoolState, requirements: Requirements): boolean {
    if (requirements.pool !== null && requirements.pool !== pool.name) return false
    return pool.group !== null && covers(pool.group.capabilities, requirements.capabilities)
  }

  /** `none`: no registered pool that is neither unavailable nor draining fits; `full`: some do, without a slot now. */
  anyFits(requirements: Requirements): 'none' | 'full' | 'free' {
    const best = requirements.pool === null ? this.#router.best(requirements) : this.#named(requirements)
    if (!best || best.rank === Rank.OUT) return 'none'
    return best.rank === Rank.BUSY ? 'full' : 'free'
  }

  /** The pool to send the task to, or null where none can take it now. Call `acquire` before the next choice. */
  choose(requirements: Requirements, preferences: Preferences): PoolState | null {
    const pool = this.#choose(requirements, preferences)
    this.#turn = pool && inRound(requirements, preferences) ? { pool, requirements } : null
    return pool
  }

  /** The choice with its reasons: the best `limit` pools, and how many there are for each reason. */
  explain(requirements: Requirements, preferences: Preferences, limit = 50): Explanation {
    return explain({
      pools: this.#pools.values(),
      requirements,
      preferences,
      chosen: this.#choose(requirements, preferences),
      bound: this.#affinity.get(preferences.affinityKey),
      rotation: inRound(requirements, preferences) ? this.#router.rotation(requirements) : undefined,
      limit,
    })
  }

  #choose(requirements: Requirements, preferences: Preferences): Pool | null {
    const avoid = preferences.avoid?.size ? preferences.avoid : null
    let pool: Pool | undefined
    if (requirements.pool !== null) pool = this.#named(requirements)
    else {
      pool = this.#router.preferred(requirements, preferences, avoid)
      if (avoid && pool?.rank !== Rank.HEALTHY) {
        const avoided = this.#router.preferred(requirements, preferences, null)
        if (avoided && (!pool || avoided.rank < pool.rank)) pool = avoided // P2
      }
    }
    return pool && pool.rank < Rank.BUSY ? pool : null // P1
  }

  #named(requirements: Requirements): Pool | undefined {
    const pool = this.#pools.get(requirements.pool as string)
    return pool && this.fits(pool, requirements) ? pool : undefined
  }

  // ---- keeping it ----------------------------------------------------------------------------------------------

  #setHealth(pool: Pool, status: HealthStatus): void {
    if (status === 'unavailable' && pool.health !== 'unavailable') pool.losses++
    pool.health = status
  }

  /** Brings everything that hangs on the pool's state up to date. */
  #settle(pool: Pool, anew = false): void {
    const rank = rankOf(pool)
    const rankChanged = rank !== pool.rank
    pool.rank = rank
    const open = rank < Rank.BUSY ? pool.freeSlots : 0
    const more = open > pool.open || (anew && open > 0)
    this.#freeSlots += open - pool.open
    pool.open = open
    pool.group?.changed(pool, rankChanged)
    if (more) this.onCapacity?.(pool)
  }
}

const inRound = (requirements: Requirements, preferences: Preferences): boolean =>
  preferences.strategy === 'round_robin' && requirements.pool === null
