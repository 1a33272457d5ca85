// The pools that are registered and what is known of their health: services/registry, the heartbeats of
// services/health-monitor and the KV buckets that others follow, in one. It lives with the broker and has no faults of its own.
import { HeartbeatWatch } from '@poolmesh/core'
import type { HealthStatus, PoolDescriptor } from '@poolmesh/types'
import type { Broker } from './broker.ts'
import type { Clock } from './clock.ts'
import type { Connection } from './network.ts'

export const HEARTBEAT_MS = 5_000
const SWEEP_MS = 500
const MISSED = 3

export interface KnownPool {
  readonly descriptor: PoolDescriptor
  /** Tells one registration of a name from the next. */
  readonly registration: number
  readonly instance: string
  health: HealthStatus
}

export type PoolFollower = (pool: KnownPool) => void

export class Directory {
  readonly pools = new Map<string, KnownPool>()
  readonly #followers = new Map<Connection, PoolFollower>()
  readonly #clock: Clock
  readonly #watch = new HeartbeatWatch({ intervalMs: HEARTBEAT_MS, missed: MISSED })
  #registrations = 0

  constructor(clock: Clock, broker: Broker) {
    this.#clock = clock
    const sweep = (): void => {
      if (!broker.up) this.#watch.resume(clock.now)
      for (const name of this.#watch.sweep(clock.now).missed) this.#judge(name, 'unavailable')
      clock.after(SWEEP_MS, sweep)
    }
    clock.after(SWEEP_MS, sweep)
  }

  register(descriptor: PoolDescriptor, instance: string): void {
    const pool = { descriptor, registration: ++this.#registrations, instance, health: 'healthy' as const }
    this.pools.set(descriptor.name, pool)
    this.#watch.beat(descriptor.name, this.#clock.now)
    this.#tell(pool)
  }

  beat(name: string): void {
    this.#watch.beat(name, this.#clock.now)
    this.#judge(name, 'healthy')
  }

  #judge(name: string, health: HealthStatus): void {
    const pool = this.pools.get(name)
    if (!pool || pool.health === health) return
    pool.health = health
    this.#tell(pool)
  }

  #tell(pool: KnownPool): void {
    const copy = { ...pool }
    for (const [connection, follower] of this.#followers) connection.tell(() => follower(copy))
  }

  /** Tells all pools, and from then on every change; again after each reconnect. */
  follow(connection: Connection, follower: PoolFollower): void {
    this.#followers.set(connection, follower)
    for (const pool of this.pools.values()) {
      const copy = { ...pool }
      connection.tell(() => follower(copy))
    }
  }

  unfollow(connection: Connection): void {
    this.#followers.delete(connection)
  }
}
