import type { PoolDescriptor } from '@poolmesh/types'
import { lessLoaded, type Pool, Rank } from './pool-state.ts'
import { Tournament } from './tournament.ts'

/** Something that stands on a group's best pool: told where the group has its leaf there. */
export interface GroupFollower {
  touched(leaf: number): void
}

/** Something that stands on each of a group's pools. */
export interface PoolFollower {
  joined(pool: Pool): void
  left(pool: Pool): void
  rankChanged(pool: Pool): void
}

/**
 * The pools of one region with the same set of capabilities: no requirement tells them apart, so the best of them stands
 * for all. A pool is in one group, however many requirements it meets, and a dispatch costs O(log n) in that one.
 */
export class CapabilityGroup extends Tournament<Pool> {
  readonly key: string
  readonly capabilities: ReadonlySet<string>
  readonly region: string | null
  /** The views that the group is in, and its leaf there. */
  readonly followers = new Map<GroupFollower, number>()
  readonly poolFollowers = new Set<PoolFollower>()

  /** The capabilities as the first pool wrote them. */
  readonly #written: string[]

  constructor(key: string, descriptor: PoolDescriptor) {
    super()
    this.key = key
    this.#written = descriptor.capabilities
    this.capabilities = new Set(descriptor.capabilities)
    this.region = descriptor.region
  }

  /** The descriptor with strings that the group's pools have in common: pools are many, kinds of pools are few. */
  shared(descriptor: PoolDescriptor): PoolDescriptor {
    const written = this.#written
    const same =
      descriptor.capabilities.length === written.length &&
      descriptor.capabilities.every((capability, i) => capability === written[i])
    return { ...descriptor, region: this.region, capabilities: same ? written : descriptor.capabilities }
  }

  protected override beats(a: number, b: number): boolean {
    const x = this.items[a] as Pool
    const y = this.items[b] as Pool
    return x.rank !== y.rank ? x.rank < y.rank : lessLoaded(x, y)
  }

  /** The best pool; a group in use has one, of whatever rank. */
  get best(): Pool {
    return this.items[this.bestLeaf] as Pool
  }

  /** The best pool that can take work and is not among the names to avoid. */
  bestExcept(avoid: ReadonlySet<string>): Pool | undefined {
    return this.search(
      (leaf) => !avoid.has((this.items[leaf] as Pool).name),
      (leaf) => {
        const pool = this.items[leaf] as Pool
        return pool.rank < Rank.BUSY && !avoid.has(pool.name) ? pool : undefined
      },
      (a, b) => this.beats(a.leaf, b.leaf),
    )
  }

  add(pool: Pool): void {
    pool.group = this
    pool.leaf = this.insert(pool)
    this.#tell()
    for (const follower of this.poolFollowers) follower.joined(pool)
  }

  remove(pool: Pool): void {
    this.takeOut(pool.leaf)
    pool.group = null
    pool.leaf = -1
    if (this.size > 0) this.#tell()
    for (const follower of this.poolFollowers) follower.left(pool)
  }

  /** To be called when the pool's rank or load changed. */
  changed(pool: Pool, rankChanged: boolean): void {
    const before = this.bestLeaf
    this.replay(pool.leaf)
    if (before === pool.leaf || this.bestLeaf === pool.leaf) this.#tell()
    if (rankChanged) for (const follower of this.poolFollowers) follower.rankChanged(pool)
  }

  *pools(): IterableIterator<Pool> {
    for (const pool of this.items) if (pool) yield pool
  }

  #tell(): void {
    for (const [follower, leaf] of this.followers) follower.touched(leaf)
  }
}
