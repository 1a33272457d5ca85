// Which pools `fan_out.pools: "all"` means: every active one that has the capabilities, busy or not.
import type { HealthStatus } from '@poolmesh/types'

export interface KnownPool {
  name: string
  capabilities: string[]
  /** What the pool says of itself; counts until the health monitor has found something. */
  health_status: HealthStatus
  /** Tells one registration of a name from the next. */
  registered_at: string
  draining?: boolean
}

export interface PoolVerdict {
  status: HealthStatus
  registered_at: string
}

/** Pools by name and by capability. */
export class FanOutPools {
  readonly #pools = new Map<string, KnownPool>()
  readonly #verdicts = new Map<string, PoolVerdict>()
  readonly #byCapability = new Map<string, Set<string>>()

  get size(): number {
    return this.#pools.size
  }

  upsert(pool: KnownPool): void {
    this.#unlink(pool.name)
    this.#pools.set(pool.name, pool)
    for (const capability of pool.capabilities) {
      const names = this.#byCapability.get(capability) ?? new Set()
      names.add(pool.name)
      this.#byCapability.set(capability, names)
    }
  }

  remove(name: string): void {
    this.#unlink(name)
    this.#pools.delete(name)
  }

  #unlink(name: string): void {
    for (const capability of this.#pools.get(name)?.capabilities ?? []) {
      const names = this.#byCapability.get(capability)
      names?.delete(name)
      if (names?.size === 0) this.#byCapability.delete(capability)
    }
  }

  verdict(name: string, verdict: PoolVerdict | null): void {
    if (verdict) this.#verdicts.set(name, verdict)
    else this.#verdicts.delete(name)
  }

  /** Not unavailable and not draining. The monitor's verdict stands above the pool's own word, for its registration. */
  isActive(name: string): boolean {
    return this.whyInactive(name) === null
  }

  whyInactive(name: string): 'not registered' | 'unavailable' | 'draining' | null {
    const pool = this.#pools.get(name)
    if (!pool) return 'not registered'
    if (pool.draining === true) return 'draining'
    const verdict = this.#verdicts.get(name)
    const status = verdict?.registered_at === pool.registered_at ? verdict.status : pool.health_status
    return status === 'unavailable' ? 'unavailable' : null
  }

  /** Whether the pool is active and has all that is required. */
  fits(name: string, required: readonly string[]): boolean {
    const has = this.#pools.get(name)?.capabilities
    return (
      has !== undefined && required.every((capability) => has.includes(capability)) && this.isActive(name)
    )
  }

  /** The names of all that fit, sorted. Costs as much as the rarest of the capabilities has pools. */
  fitting(required: readonly string[]): string[] {
    const names: string[] = []
    for (const name of this.#candidates(required)) if (this.fits(name, required)) names.push(name)
    return names.sort()
  }

  #candidates(required: readonly string[]): Iterable<string> {
    let rarest: Set<string> | null = null
    for (const capability of required) {
      const names = this.#byCapability.get(capability)
      if (!names) return []
      if (!rarest || names.size < rarest.size) rarest = names
    }
    return rarest ?? this.#pools.keys()
  }

  /** How many pools there are for each reason that they do not fit; `fits` for those that do. */
  reasons(required: readonly string[]): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const pool of this.#pools.values()) {
      const missing = required.some((capability) => !pool.capabilities.includes(capability))
      const reason = missing ? 'capability missing' : (this.whyInactive(pool.name) ?? 'fits')
      counts[reason] = (counts[reason] ?? 0) + 1
    }
    return counts
  }
}
