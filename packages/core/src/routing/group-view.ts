import type { CapabilityGroup, GroupFollower } from './capability-group.ts'
import { lessLoaded, type Pool } from './pool-state.ts'
import { covers } from './requirements.ts'
import { Tournament } from './tournament.ts'
import type { View } from './view-cache.ts'

/** Which groups a view has: those with all of `required`, in `region`, with at least one of `preferred`. */
export interface GroupFilter {
  readonly required: readonly string[]
  /** null: anywhere. */
  readonly region: string | null
  /** null: no matter. Has none of `required`. */
  readonly preferred: readonly string[] | null
}

interface Found {
  pool: Pool
  leaf: number
}

/**
 * The groups that meet some requirements, the best pool first: health, then the number of preferred capabilities where
 * the view counts them, then load order.
 *
 * Groups change with every dispatch, and a view may rest for long, so changes are only noted, and played when the view
 * is asked. When they are too many to be worth noting, all is played anew: a note costs O(1), and that too on average.
 */
export class GroupView extends Tournament<CapabilityGroup> implements View, GroupFollower {
  readonly key: string
  lastAsked = 0
  readonly #filter: GroupFilter
  /** Preferred capabilities that the group at each leaf has. */
  readonly #matches: number[] = []
  readonly #touched: number[] = []
  readonly #isTouched: boolean[] = []
  #stale = true

  constructor(key: string, filter: GroupFilter, groups: Iterable<CapabilityGroup>) {
    super()
    this.key = key
    this.#filter = filter
    for (const group of groups) this.groupCreated(group)
  }

  get entries(): number {
    return this.size
  }

  protected override beats(a: number, b: number): boolean {
    return this.#better(
      (this.items[a] as CapabilityGroup).best,
      a,
      (this.items[b] as CapabilityGroup).best,
      b,
    )
  }

  /** The best pool, of whatever rank: undefined where no registered pool fits. */
  best(): Pool | undefined {
    this.#play()
    return this.items[this.bestLeaf]?.best
  }

  /** The best pool that can take work and is not among the names to avoid. */
  bestExcept(avoid: ReadonlySet<string>): Pool | undefined {
    this.#play()
    return this.search<Found>(
      (leaf) => !avoid.has((this.items[leaf] as CapabilityGroup).best.name),
      (leaf) => {
        const pool = (this.items[leaf] as CapabilityGroup).bestExcept(avoid)
        return pool && { pool, leaf }
      },
      (a, b) => this.#better(a.pool, a.leaf, b.pool, b.leaf),
    )?.pool
  }

  groupCreated(group: CapabilityGroup): void {
    const { required, region, preferred } = this.#filter
    if (region !== null && group.region !== region) return
    if (!covers(group.capabilities, required)) return
    const matches = preferred === null ? 0 : countOf(group.capabilities, preferred)
    if (preferred !== null && matches === 0) return
    const leaf = this.place(group)
    this.#matches[leaf] = matches
    this.#isTouched[leaf] = false
    group.followers.set(this, leaf)
    if (!this.#stale) this.seated(leaf)
  }

  groupRemoved(group: CapabilityGroup): void {
    const leaf = group.followers.get(this)
    if (leaf === undefined) return
    group.followers.delete(this)
    if (this.#stale) this.vacate(leaf)
    else this.takeOut(leaf)
  }

  touched(leaf: number): void {
    if (this.#stale || this.#isTouched[leaf]) return
    this.#isTouched[leaf] = true
    if (this.#touched.push(leaf) > 32 + (this.size >> 3)) this.#stale = true
  }

  dispose(): void {
    for (const group of this.items) group?.followers.delete(this)
  }

  #play(): void {
    if (this.#stale) this.rebuild()
    for (const leaf of this.#touched) {
      this.#isTouched[leaf] = false
      if (!this.#stale) this.replay(leaf)
    }
    this.#touched.length = 0
    this.#stale = false
  }

  #better(x: Pool, leafOfX: number, y: Pool, leafOfY: number): boolean {
    if (x.rank !== y.rank) return x.rank < y.rank
    const difference = (this.#matches[leafOfX] as number) - (this.#matches[leafOfY] as number)
    return difference !== 0 ? difference > 0 : lessLoaded(x, y)
  }
}

const countOf = (offered: ReadonlySet<string>, wanted: readonly string[]): number => {
  let count = 0
  for (const capability of wanted) if (offered.has(capability)) count++
  return count
}
