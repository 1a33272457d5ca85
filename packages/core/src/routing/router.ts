import type { PoolDescriptor } from '@poolmesh/types'
import type { AffinityTable } from './affinity.ts'
import type { CapabilityGroup } from './capability-group.ts'
import { GroupIndex } from './group-index.ts'
import { GroupView } from './group-view.ts'
import { type Pool, Rank } from './pool-state.ts'
import { canonical, covers, type Preferences, type Requirements, requirementsKey } from './requirements.ts'
import { Rotation } from './rotation.ts'
import { ViewCache } from './view-cache.ts'

/** What is worked out of requirements once. */
interface Known {
  readonly key: string
  readonly baseKey: string
  readonly roundKey: string
  readonly required: readonly string[]
}

/** Which pool a strategy wants, out of the views of the pools that meet the requirements. */
export class Router {
  readonly #index = new GroupIndex()
  readonly #views: ViewCache
  readonly #affinity: AffinityTable
  readonly #dispatches: () => number
  readonly #known = new WeakMap<Requirements, Known>()

  constructor(affinity: AffinityTable, maxViews: number, maxViewEntries: number, dispatches: () => number) {
    this.#affinity = affinity
    this.#views = new ViewCache(maxViews, maxViewEntries)
    this.#dispatches = dispatches
  }

  // ---- where pools are -----------------------------------------------------------------------------------------

  /** Puts the pool into the group that it belongs to. */
  place(pool: Pool, descriptor: PoolDescriptor): CapabilityGroup {
    const key = this.#index.keyOf(descriptor)
    if (pool.group?.key === key) return pool.group
    this.leave(pool)
    const known = this.#index.get(key)
    const group = known ?? this.#index.create(key, descriptor)
    group.add(pool)
    if (!known) this.#views.groupCreated(group)
    return group
  }

  leave(pool: Pool): void {
    const { group } = pool
    if (!group) return
    if (group.size === 1) {
      // Before the group is empty: views compare the best of each.
      this.#views.groupRemoved(group)
      this.#index.remove(group)
    }
    group.remove(pool)
  }

  // ---- who is best ---------------------------------------------------------------------------------------------

  /** The least loaded pool that fits, of whatever rank; undefined where none is registered. */
  best(requirements: Requirements): Pool | undefined {
    return this.#base(this.#know(requirements))?.best()
  }

  /** The pool that the strategy wants among those that are not to be avoided, of whatever rank. */
  preferred(
    requirements: Requirements,
    preferences: Preferences,
    avoid: ReadonlySet<string> | null,
  ): Pool | undefined {
    if (preferences.strategy === 'round_robin') return top(this.rotation(requirements), avoid)
    const known = this.#know(requirements)
    const special =
      preferences.strategy === 'affinity'
        ? this.#bound(known, preferences.affinityKey, avoid)
        : top(this.#special(known, preferences), avoid)
    if (special?.rank === Rank.HEALTHY) return special
    const any = top(this.#base(known), avoid)
    // A preference never goes before health.
    return special && special.rank < Rank.BUSY && (!any || special.rank <= any.rank) ? special : any
  }

  /** The round of the pools that fit; undefined where none can. */
  rotation(requirements: Requirements): Rotation | undefined {
    const { required, roundKey } = this.#know(requirements)
    if (!this.#index.mayFit(required)) return undefined
    return this.#views.get(roundKey, () => {
      return new Rotation(roundKey, required, this.#index.fitting(required), this.#dispatches)
    })
  }

  #know(requirements: Requirements): Known {
    let known = this.#known.get(requirements)
    if (!known) {
      const key = requirementsKey(requirements)
      const required = canonical(requirements.capabilities)
      known = { key, baseKey: `all ${key}`, roundKey: `round ${key}`, required }
      this.#known.set(requirements, known)
    }
    return known
  }

  #bound({ required }: Known, affinityKey: string, avoid: ReadonlySet<string> | null): Pool | undefined {
    const pool = this.#affinity.get(affinityKey)
    if (!pool?.group || avoid?.has(pool.name)) return undefined
    return covers(pool.group.capabilities, required) ? pool : undefined
  }

  /** All groups that fit. What nobody has makes no view: however many tasks ask for it, views are for those that run. */
  #base({ required, baseKey }: Known): GroupView | undefined {
    if (!this.#index.mayFit(required)) return undefined
    return this.#views.get(baseKey, () => {
      return new GroupView(
        baseKey,
        { required, region: null, preferred: null },
        this.#index.fitting(required),
      )
    })
  }

  /** The groups that the strategy prefers among those that fit, if it does any. */
  #special(known: Known, { strategy, region, preferred }: Preferences): GroupView | undefined {
    if (strategy === 'region_aware' && region !== null) return this.#local(known, region)
    if (strategy === 'capability_based' && preferred.length > 0) return this.#matching(known, preferred)
    return undefined
  }

  #local({ key, required }: Known, region: string): GroupView | undefined {
    if (!this.#index.mayFit(required) || !this.#index.hasRegion(region)) return undefined
    const viewKey = `in ${region.length} ${region} ${key}`
    return this.#views.get(viewKey, () => {
      return new GroupView(
        viewKey,
        { required, region, preferred: null },
        this.#index.fitting(required, region),
      )
    })
  }

  #matching({ key, required }: Known, preferred: readonly string[]): GroupView | undefined {
    if (!this.#index.mayFit(required)) return undefined
    // What no pool has makes no difference.
    const wanted = canonical(preferred.filter((capability) => this.#index.hasCapability(capability)))
    if (wanted.length === 0) return undefined
    const viewKey = `with ${JSON.stringify(wanted)} ${key}`
    return this.#views.get(viewKey, () => {
      const all = new Set(required)
      // What is required every pool here has.
      const beyond = wanted.filter((capability) => !all.has(capability))
      return new GroupView(
        viewKey,
        { required, region: null, preferred: beyond },
        this.#index.withAny(beyond),
      )
    })
  }
}

const top = (view: GroupView | Rotation | undefined, avoid: ReadonlySet<string> | null): Pool | undefined =>
  avoid ? view?.bestExcept(avoid) : view?.best()
