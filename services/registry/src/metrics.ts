import type { TellMetric } from '@poolmesh/bus'
import type { PoolCatalog } from '@poolmesh/core'
import type { IgnoredHeartbeats } from './endpoints.ts'

/** Counts changes of capacity as the feed of pools tells them. */
export class PoolChanges {
  readonly counts = { added: 0, removed: 0, grown: 0, shrunk: 0 }
  readonly #slots = new Map<string, number>()
  #ready = false

  /** What was there already has been told. */
  ready(): void {
    this.#ready = true
  }

  upserted(name: string, slots: number): void {
    const before = this.#slots.get(name)
    this.#slots.set(name, slots)
    if (!this.#ready || before === slots) return
    this.counts[before === undefined ? 'added' : before < slots ? 'grown' : 'shrunk']++
  }

  removed(name: string): void {
    if (this.#slots.delete(name) && this.#ready) this.counts.removed++
  }
}

export const registryMetrics =
  (parts: { catalog: PoolCatalog; changes: PoolChanges; ignoredHeartbeats: IgnoredHeartbeats }) =>
  (tell: TellMetric): void => {
    const { active, types } = parts.catalog.stats()
    for (const [type, count] of types) tell('poolmesh_registry_pools', count, { type })
    tell('poolmesh_registry_pools_active', active)
    tell('poolmesh_registry_pools_draining', parts.catalog.draining.size)
    for (const [change, count] of Object.entries(parts.changes.counts))
      tell('poolmesh_registry_pool_changes_total', count, { change })
    for (const [reason, count] of Object.entries(parts.ignoredHeartbeats))
      tell('poolmesh_registry_heartbeats_ignored_total', count, { reason })
  }
