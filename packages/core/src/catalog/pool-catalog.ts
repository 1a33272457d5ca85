// The registry's table of pools: everything that is registered, how healthy and how busy it is, found by name,
// capability, region and type.
//
// Invariants:
// 1. Of each name the change with the highest revision counts, in whatever order changes are told: a process tells its own
//    writes as soon as they are stored, and hears of them and of those of others later.
// 2. Every index has exactly the names of the pools that belong in it.
// 3. Live load and health belong to one registration: another one starts with none.
import type { HealthStatus, PoolView } from '@poolmesh/types'
import { withDerived } from '@poolmesh/types'
import { ExecutorLoads } from './executor-loads.ts'
import { discoveredFrom, type HealthVerdict, type RegisteredPool } from './registration.ts'
import { SortedNames } from './sorted-names.ts'

export interface PoolFilter {
  capability?: string | undefined
  region?: string | undefined
  pool_type?: string | undefined
  active_only?: boolean | undefined
}

export interface CatalogStats {
  total: number
  active: number
  types: Map<string, number>
  capabilities: Map<string, number>
}

interface Entry {
  pool: RegisteredPool
  revision: number
  /** When the last heartbeat came, milliseconds; -Infinity without one. */
  beatAt: number
  workers: number
  queued: number
}

/** Times are milliseconds of one monotonic clock, given by the caller. */
export class PoolCatalog {
  /** Tasks that executors run on each pool: shown for pools that send no heartbeats. */
  readonly executors = new ExecutorLoads()
  readonly #heartbeatValidMs: number
  readonly #entries = new Map<string, Entry>()
  readonly #verdicts = new Map<string, HealthVerdict>()
  /** Revisions of removals that the feed has not told yet: what it still tells of before must not bring a pool back. */
  readonly #removals = new Map<string, number>()
  readonly #names = new SortedNames()
  readonly #active = new SortedNames()
  readonly #byCapability = new Map<string, SortedNames>()
  readonly #byRegion = new Map<string, SortedNames>()
  readonly #byType = new Map<string, SortedNames>()
  readonly #byDiscovery = new Map<string, SortedNames>()
  readonly #draining = new Set<string>()
  #heard = 0

  /** @param heartbeatValidMs how long a heartbeat tells the load of a pool */
  constructor(heartbeatValidMs: number) {
    this.#heartbeatValidMs = heartbeatValidMs
  }

  get size(): number {
    return this.#entries.size
  }

  /** Names of the pools that drain. */
  get draining(): ReadonlySet<string> {
    return this.#draining
  }

  /** False: something newer is known of that name. @param revision of the write, growing over all names */
  put(pool: RegisteredPool, revision: number): boolean {
    const known = this.#entries.get(pool.name)
    if (revision <= (known?.revision ?? this.#removals.get(pool.name) ?? 0)) return false
    this.#removals.delete(pool.name)
    if (known === undefined) {
      this.#entries.set(pool.name, {
        pool,
        revision,
        beatAt: Number.NEGATIVE_INFINITY,
        workers: 0,
        queued: 0,
      })
      this.#names.add(pool.name)
    } else {
      this.#unindex(known.pool)
      if (known.pool.registered_at !== pool.registered_at) known.beatAt = Number.NEGATIVE_INFINITY
      known.pool = pool
      known.revision = revision
    }
    this.#index(pool)
    return true
  }

  /** False: something newer is known of that name. */
  remove(name: string, revision: number): boolean {
    const known = this.#entries.get(name)
    if (revision <= (known?.revision ?? this.#removals.get(name) ?? 0)) return false
    if (revision > this.#heard) this.#removals.set(name, revision)
    if (known === undefined) return true
    this.#unindex(known.pool)
    this.#active.delete(name)
    this.#names.delete(name)
    this.#entries.delete(name)
    return true
  }

  /** The feed has told everything up to this revision. */
  heard(revision: number): void {
    this.#heard = Math.max(this.#heard, revision)
    // Removals are kept about in order of their revisions; one that is out of order only stays a little longer.
    for (const [name, removed] of this.#removals) {
      if (removed > this.#heard) return
      this.#removals.delete(name)
    }
  }

  /** What the health monitor says; null: nothing any more. It may come before the registration that it is about. */
  judge(name: string, verdict: HealthVerdict | null): void {
    if (verdict === null) this.#verdicts.delete(name)
    else this.#verdicts.set(name, verdict)
    const known = this.#entries.get(name)
    if (known !== undefined) this.#indexActive(known.pool)
  }

  /** False: there is no such pool. */
  heartbeat(name: string, workers: number, queued: number, now: number): boolean {
    const known = this.#entries.get(name)
    if (known === undefined) return false
    known.beatAt = now
    known.workers = workers
    known.queued = queued
    return true
  }

  known(name: string): { pool: RegisteredPool; revision: number } | undefined {
    return this.#entries.get(name)
  }

  /** The monitor's verdict on this registration; without one, what the pool said of itself. */
  health(pool: RegisteredPool): HealthStatus {
    const verdict = this.#verdicts.get(pool.name)
    return verdict?.registered_at === pool.registered_at ? verdict.status : pool.health_status
  }

  /** As replies show it: with its health and its load of now. */
  view(name: string, now: number): PoolView | undefined {
    const known = this.#entries.get(name)
    return known && this.#view(known, now)
  }

  /** In order of their names, the pools behind `after` that pass the filter. */
  *walk(filter: PoolFilter, after: string | null, now: number): Generator<PoolView, void, undefined> {
    for (const name of this.#smallestIndex(filter)?.after(after) ?? []) {
      const known = this.#entries.get(name)!
      if (this.#passes(known.pool, filter)) yield this.#view(known, now)
    }
  }

  /** Pools that were discovered at the endpoint. */
  discoveredAt(endpoint: string): string[] {
    return [...(this.#byDiscovery.get(endpoint)?.after(null) ?? [])]
  }

  stats(): CatalogStats {
    return {
      total: this.#entries.size,
      active: this.#active.size,
      types: sizes(this.#byType),
      capabilities: sizes(this.#byCapability),
    }
  }

  #view({ pool, beatAt, workers, queued }: Entry, now: number): PoolView {
    const beats = now - beatAt <= this.#heartbeatValidMs
    return withDerived({
      ...pool,
      current_workers: beats ? workers : pool.current_workers + this.executors.running(pool.name, now),
      queue_size: beats ? queued : pool.queue_size,
      health_status: this.health(pool),
    })
  }

  #passes(pool: RegisteredPool, filter: PoolFilter): boolean {
    return (
      (filter.capability === undefined || pool.capabilities.includes(filter.capability)) &&
      (filter.region === undefined || pool.region === filter.region) &&
      (filter.pool_type === undefined || pool.pool_type === filter.pool_type) &&
      (filter.active_only !== true || this.#isActive(pool))
    )
  }

  /** The index that leaves the fewest pools to look at; undefined: nothing can pass. */
  #smallestIndex(filter: PoolFilter): SortedNames | undefined {
    const fitting: (SortedNames | undefined)[] = [this.#names]
    if (filter.active_only === true) fitting.push(this.#active)
    if (filter.capability !== undefined) fitting.push(this.#byCapability.get(filter.capability))
    if (filter.region !== undefined) fitting.push(this.#byRegion.get(filter.region))
    if (filter.pool_type !== undefined) fitting.push(this.#byType.get(filter.pool_type))
    return fitting.reduce((best, index) =>
      best && index && best.size <= index.size ? best : index && best ? index : undefined,
    )
  }

  #isActive(pool: RegisteredPool): boolean {
    return pool.draining !== true && this.health(pool) !== 'unavailable'
  }

  #indexActive(pool: RegisteredPool): void {
    if (this.#isActive(pool)) this.#active.add(pool.name)
    else this.#active.delete(pool.name)
  }

  #index(pool: RegisteredPool): void {
    for (const [index, key] of this.#places(pool)) {
      const names = index.get(key)
      if (names) names.add(pool.name)
      else {
        const first = new SortedNames()
        first.add(pool.name)
        index.set(key, first)
      }
    }
    if (pool.draining === true) this.#draining.add(pool.name)
    this.#indexActive(pool)
  }

  #unindex(pool: RegisteredPool): void {
    for (const [index, key] of this.#places(pool)) {
      const names = index.get(key)
      names?.delete(pool.name)
      if (names?.size === 0) index.delete(key)
    }
    this.#draining.delete(pool.name)
  }

  *#places(pool: RegisteredPool): Generator<[Map<string, SortedNames>, string], void, undefined> {
    for (const capability of pool.capabilities) yield [this.#byCapability, capability]
    if (pool.region !== null) yield [this.#byRegion, pool.region]
    yield [this.#byType, pool.pool_type]
    const endpoint = discoveredFrom(pool)
    if (endpoint !== null) yield [this.#byDiscovery, endpoint]
  }
}

const sizes = (index: ReadonlyMap<string, SortedNames>): Map<string, number> =>
  new Map([...index].map(([key, names]) => [key, names.size]))
