import type { CapabilityGroup, PoolFollower } from './capability-group.ts'
import type { Pool } from './pool-state.ts'
import { Rank } from './pool-state.ts'
import { covers } from './requirements.ts'
import { Tournament } from './tournament.ts'
import type { View } from './view-cache.ts'

/**
 * Round robin over the pools that meet some requirements: next is the one whose last turn is longest ago.
 *
 * - Turns belong to the requirements: what other tasks do with the same pools does not disturb the round.
 * - A pool that is full when its turn comes keeps its place: it is next once it has a slot. That is one turn; what it
 *   missed before is not made up for.
 * - A pool that comes, or comes back, stands at the end of the round; one that goes leaves the order of the rest as it was.
 * - When the round begins (or was forgotten, see ViewCache) the order is by last use for whatever task.
 */
export class Rotation extends Tournament<Pool> implements View, PoolFollower {
  readonly key: string
  lastAsked = 0
  readonly #required: readonly string[]
  readonly #leaves = new Map<Pool, number>()
  /** Dispatch of the table at which the pool at each leaf had its turn or came. */
  readonly #turns: number[] = []
  readonly #groups = new Set<CapabilityGroup>()
  readonly #now: () => number

  /** @param now the number of dispatches so far */
  constructor(
    key: string,
    required: readonly string[],
    groups: Iterable<CapabilityGroup>,
    now: () => number,
  ) {
    super()
    this.key = key
    this.#required = required
    this.#now = now
    for (const group of groups) {
      this.#follow(group)
      for (const pool of group.pools()) this.#turns[this.#seat(pool)] = pool.lastUsed
    }
    this.rebuild()
  }

  get entries(): number {
    return this.size
  }

  protected override beats(a: number, b: number): boolean {
    const x = this.items[a] as Pool
    const y = this.items[b] as Pool
    if (x.rank !== y.rank) return x.rank < y.rank
    const difference = (this.#turns[a] as number) - (this.#turns[b] as number)
    return difference !== 0 ? difference < 0 : x.serial < y.serial
  }

  best(): Pool | undefined {
    return this.items[this.bestLeaf]
  }

  bestExcept(avoid: ReadonlySet<string>): Pool | undefined {
    const leaf = this.search<number>(
      (winner) => !avoid.has((this.items[winner] as Pool).name),
      (winner) => {
        const pool = this.items[winner] as Pool
        return pool.rank < Rank.BUSY && !avoid.has(pool.name) ? winner : undefined
      },
      (a, b) => this.beats(a, b),
    )
    return leaf === undefined ? undefined : this.items[leaf]
  }

  /** The dispatch at which the pool had its last turn: who has the lowest is next. */
  turnOf(pool: Pool): number {
    return this.#turns[this.#leaves.get(pool) as number] as number
  }

  took(pool: Pool): void {
    const leaf = this.#leaves.get(pool)
    if (leaf === undefined) return
    this.#turns[leaf] = this.#now()
    this.replay(leaf)
  }

  groupCreated(group: CapabilityGroup): void {
    if (!covers(group.capabilities, this.#required)) return
    this.#follow(group)
    for (const pool of group.pools()) this.joined(pool)
  }

  groupRemoved(group: CapabilityGroup): void {
    if (!this.#groups.delete(group)) return
    group.poolFollowers.delete(this)
    for (const pool of group.pools()) this.left(pool)
  }

  joined(pool: Pool): void {
    const leaf = this.#seat(pool)
    this.#turns[leaf] = this.#now()
    this.seated(leaf)
  }

  left(pool: Pool): void {
    const leaf = this.#leaves.get(pool)
    if (leaf === undefined) return
    this.#leaves.delete(pool)
    this.takeOut(leaf)
  }

  rankChanged(pool: Pool): void {
    const leaf = this.#leaves.get(pool)
    if (leaf !== undefined) this.replay(leaf)
  }

  dispose(): void {
    for (const group of this.#groups) group.poolFollowers.delete(this)
  }

  #follow(group: CapabilityGroup): void {
    this.#groups.add(group)
    group.poolFollowers.add(this)
  }

  #seat(pool: Pool): number {
    const leaf = this.place(pool)
    this.#leaves.set(pool, leaf)
    return leaf
  }
}
