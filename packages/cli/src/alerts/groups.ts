import type { AlertGrouping } from '@poolmesh/types'
import type { AlertGroup, PoolAlert } from './bodies.ts'

/** What came within one window, in groups that are sent in one request each, in the order in which they began. */
export function groupsOf(alerts: readonly PoolAlert[], grouping: AlertGrouping): AlertGroup[] {
  const groups = new Map<string, AlertGroup>()
  for (const alert of alerts) {
    const key =
      grouping === 'none' ? '' : ((grouping === 'type' ? alert.pool_type : alert.region) ?? 'unknown')
    const group = groups.get(key)
    if (group) group.alerts.push(alert)
    else groups.set(key, { key, alerts: [alert] })
  }
  return [...groups.values()]
}

/** The last ids of events that were delivered: what is given again after that is told to nobody. */
export class Delivered {
  readonly #ids = new Set<string>()
  readonly #limit: number

  constructor(limit = 10_000) {
    this.#limit = limit
  }

  has(id: string): boolean {
    return this.#ids.has(id)
  }

  add(id: string): void {
    this.#ids.add(id)
    if (this.#ids.size > this.#limit) this.#ids.delete(this.#ids.values().next().value!)
  }
}
