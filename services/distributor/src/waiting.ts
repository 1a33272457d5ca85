// Parents that wait: for their time, or for a pool. Those that require the same are looked at as one, so that a pool that
// appears costs one look a requirement and not one a parent.
import type { FanOutPools } from '@poolmesh/core'
import type { Parent } from './records.ts'

interface Group {
  required: readonly string[]
  parents: Set<Parent>
}

export class WaitingParents {
  readonly #parents = new Set<Parent>()
  readonly #groups = new Map<string, Group>()

  get size(): number {
    return this.#parents.size
  }

  /** @param beginAt ms since the epoch; Infinity: when a pool fits */
  add(parent: Parent, beginAt: number): void {
    parent.state = 'waiting'
    parent.beginAt = beginAt
    this.#parents.add(parent)
    if (beginAt !== Number.POSITIVE_INFINITY) return
    const key = keyOf(parent)
    const group = this.#groups.get(key) ?? { required: parent.task.required_capabilities, parents: new Set() }
    group.parents.add(parent)
    this.#groups.set(key, group)
  }

  remove(parent: Parent): void {
    this.#parents.delete(parent)
    const key = keyOf(parent)
    const group = this.#groups.get(key)
    group?.parents.delete(parent)
    if (group?.parents.size === 0) this.#groups.delete(key)
  }

  /** Takes out those that the pool makes able to begin. */
  fittedBy(pool: string, pools: FanOutPools): Parent[] {
    const fitted: Parent[] = []
    for (const group of this.#groups.values())
      if (pools.fits(pool, group.required)) fitted.push(...group.parents)
    for (const parent of fitted) this.remove(parent)
    return fitted
  }

  /** Takes out those whose time has come, and those that waited too long for a pool. */
  due(now: number): { begin: Parent[]; expired: Parent[] } {
    const begin: Parent[] = []
    const expired: Parent[] = []
    for (const parent of this.#parents)
      if (parent.beginAt <= now) begin.push(parent)
      else if (parent.beginAt === Number.POSITIVE_INFINITY && parent.deadline <= now) expired.push(parent)
    for (const parent of [...begin, ...expired]) this.remove(parent)
    return { begin, expired }
  }
}

/** The same for the same requirements, in whatever order they are named. */
const keyOf = (parent: Parent): string => JSON.stringify([...parent.task.required_capabilities].sort())
