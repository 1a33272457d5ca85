import type { Pool } from './pool-state.ts'

interface Bond {
  pool: Pool
  losses: number
}

/**
 * Which pool last completed a task of each affinity key. Bounded: the key used longest ago is forgotten first. A pool
 * that is lost counts up its `losses`, and with that all its bonds are void at once, without being looked for.
 */
export class AffinityTable {
  readonly #bonds = new Map<string, Bond>()
  readonly #maxKeys: number
  /** The key used last: tasks of one kind come together. */
  #last: string | null = null

  constructor(maxKeys: number) {
    this.#maxKeys = maxKeys
  }

  get size(): number {
    return this.#bonds.size
  }

  get(key: string): Pool | undefined {
    const bond = this.#bonds.get(key)
    if (!bond) return undefined
    if (bond.pool.losses === bond.losses) return bond.pool
    this.#bonds.delete(key)
    return undefined
  }

  completed(key: string, pool: Pool): void {
    const known = key === this.#last ? this.#bonds.get(key) : undefined
    if (known) {
      known.pool = pool
      known.losses = pool.losses
      return
    }
    this.#last = key
    this.#bonds.delete(key)
    this.#bonds.set(key, { pool, losses: pool.losses })
    if (this.#bonds.size <= this.#maxKeys) return
    for (const oldest of this.#bonds.keys()) {
      this.#bonds.delete(oldest)
      return
    }
  }

  /** Only where `pool` is the one that is bound: a failure elsewhere says nothing of it. */
  failed(key: string, pool: Pool): void {
    if (this.#bonds.get(key)?.pool === pool) this.#bonds.delete(key)
  }
}
