// What the rules say, read off every pool one by one, with nothing of the table's code.
import type { HealthStatus, PoolDescriptor } from '@poolmesh/types'
import type { Preferences, Requirements } from '../../src/routing/index.ts'

export const pool = (name: string, more: Partial<PoolDescriptor> = {}): PoolDescriptor => ({
  name,
  pool_type: 'nats',
  capabilities: [],
  max_workers: 10,
  current_workers: 0,
  queue_size: 0,
  health_status: 'healthy',
  region: null,
  metadata: {},
  ...more,
})

export const needs = (...capabilities: string[]): Requirements => ({ capabilities, pool: null })

export const by = (
  strategy: Preferences['strategy'],
  more: Partial<Omit<Preferences, 'strategy'>> = {},
): Preferences => ({ strategy, region: null, affinityKey: 'key', preferred: [], avoid: null, ...more })

interface Model {
  name: string
  capabilities: string[]
  region: string | null
  max: number
  health: HealthStatus
  draining: boolean
  suspended: boolean
  running: number
  foreign: number
  queue: number
  lastUsed: number
  serial: number
}

/** A whole second table, without any structure. */
export class Oracle {
  readonly pools = new Map<string, Model>()
  /** Removed while running something. */
  readonly away = new Map<string, Model>()
  readonly bonds = new Map<string, string>()
  /** Last turns, by requirements and then pool. */
  readonly rounds = new Map<string, Map<string, number>>()
  #dispatches = 0
  #serial = 0

  upsert(d: PoolDescriptor, draining: boolean): void {
    const before = this.pools.get(d.name)
    const known = before ?? this.away.get(d.name)
    this.away.delete(d.name)
    const running = known?.running ?? 0
    if (d.health_status === 'unavailable' && before?.health !== 'unavailable') this.#lost(d.name)
    const model: Model = {
      name: d.name,
      capabilities: [...new Set(d.capabilities)],
      region: d.region,
      max: d.max_workers,
      health: d.health_status,
      draining,
      suspended: before?.suspended ?? false,
      running,
      foreign: Math.max(0, d.current_workers - running),
      queue: d.queue_size,
      lastUsed: known?.lastUsed ?? 0,
      serial: known?.serial ?? ++this.#serial,
    }
    this.pools.set(d.name, model)
    const same =
      before &&
      before.region === model.region &&
      `${before.capabilities.sort()}` === `${[...model.capabilities].sort()}`
    // Something else than before: it comes anew, at the end of every round.
    if (!same) for (const round of this.rounds.values()) round.set(d.name, this.#dispatches)
  }

  remove(name: string): void {
    const model = this.pools.get(name)
    if (!model) return
    this.pools.delete(name)
    if (model.running > 0) this.away.set(name, model)
    this.#lost(name)
  }

  setHealth(name: string, health: HealthStatus): void {
    const model = this.pools.get(name)
    if (!model) return
    if (health === 'unavailable' && model.health !== 'unavailable') this.#lost(name)
    model.health = health
  }

  acquire(name: string, requirements: Requirements, preferences: Preferences): void {
    const model = this.pools.get(name) as Model
    model.running++
    model.lastUsed = ++this.#dispatches
    if (preferences.strategy === 'round_robin' && requirements.pool === null)
      this.round(requirements).set(name, this.#dispatches)
  }

  release(name: string): void {
    const model = this.pools.get(name) ?? this.away.get(name)
    if (!model || model.running === 0) return
    if (--model.running === 0) this.away.delete(name)
  }

  /** The turns of a round, which begins when it is first asked for. */
  round(requirements: Requirements): Map<string, number> {
    const key = JSON.stringify([...new Set(requirements.capabilities)].sort())
    const known = this.rounds.get(key)
    if (known) return known
    const begun = new Map([...this.pools.values()].map((p) => [p.name, p.lastUsed]))
    this.rounds.set(key, begun)
    return begun
  }

  meets(p: Model, requirements: Requirements): boolean {
    return (
      requirements.capabilities.every((c) => p.capabilities.includes(c)) &&
      (requirements.pool === null || requirements.pool === p.name)
    )
  }

  canTake(p: Model): boolean {
    return p.health !== 'unavailable' && !p.draining && !p.suspended && p.running + p.foreign < p.max
  }

  /** Lower is better; the first number that differs decides. */
  order(p: Model, requirements: Requirements, preferences: Preferences): number[] {
    const byLoad = [(p.running + p.foreign) / p.max, p.queue, p.lastUsed, p.serial]
    const first = [p.health === 'healthy' ? 0 : 1, preferences.avoid?.has(p.name) ? 1 : 0]
    switch (preferences.strategy) {
      case 'least_loaded':
        return [...first, ...byLoad]
      case 'round_robin':
        return [...first, requirements.pool ? 0 : (this.round(requirements).get(p.name) as number), p.serial]
      case 'capability_based': {
        const wanted = new Set([...requirements.capabilities, ...preferences.preferred])
        return [...first, -p.capabilities.filter((c) => wanted.has(c)).length, ...byLoad]
      }
      case 'region_aware':
        return [...first, preferences.region !== null && p.region === preferences.region ? 0 : 1, ...byLoad]
      case 'affinity':
        return [...first, this.bonds.get(preferences.affinityKey) === p.name ? 0 : 1, ...byLoad]
    }
  }

  /** All that can take the task now, best first. */
  ranked(requirements: Requirements, preferences: Preferences): string[] {
    const all = [...this.pools.values()]
    const mayFit = requirements.capabilities.every((c) => all.some((p) => p.capabilities.includes(c)))
    if (preferences.strategy === 'round_robin' && requirements.pool === null && mayFit)
      this.round(requirements)
    return all
      .filter((p) => this.meets(p, requirements) && this.canTake(p))
      .map((p) => ({ name: p.name, order: this.order(p, requirements, preferences) }))
      .sort((a, b) => {
        const i = a.order.findIndex((value, at) => value !== b.order[at])
        return i < 0 ? 0 : (a.order[i] as number) - (b.order[i] as number)
      })
      .map(({ name }) => name)
  }

  anyFits(requirements: Requirements): 'none' | 'full' | 'free' {
    const fitting = [...this.pools.values()].filter(
      (p) => this.meets(p, requirements) && p.health !== 'unavailable' && !p.draining,
    )
    if (fitting.length === 0) return 'none'
    return fitting.some((p) => this.canTake(p)) ? 'free' : 'full'
  }

  freeSlots(): number {
    return [...this.pools.values()]
      .filter((p) => this.canTake(p))
      .reduce((sum, p) => sum + p.max - p.running - p.foreign, 0)
  }

  #lost(name: string): void {
    for (const [key, bound] of this.bonds) if (bound === name) this.bonds.delete(key)
  }
}
