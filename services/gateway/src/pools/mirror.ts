// All pools as the registry has them, kept here from the same feed: lists and filters cost the bus nothing, and every
// change is known. One subscription each, however many listen.

import type { NatsConnection } from '@nats-io/transport-node'
import { followPools, type Logger } from '@poolmesh/bus'
import { isRegisteredPool, PoolCatalog, type PoolFilter } from '@poolmesh/core'
import { INTERNAL, isJsonObject, type PoolView } from '@poolmesh/types'
import { shownPool } from './shown.ts'

const PRUNE_MS = 2_000
/** Executors and pools that somebody on the bus may name; more are not kept. */
const MAX_LOADS = 200_000

export interface PoolTotals {
  total: number
  healthy: number
  degraded: number
  unhealthy: number
}
export interface SlotTotals {
  total: number
  used: number
}

export class PoolMirror implements AsyncDisposable {
  readonly #catalog: PoolCatalog
  readonly #parts = new AsyncDisposableStack()
  readonly #changed: (name: string) => void
  /** What each executor last said of each pool: only what differs is a change. */
  readonly #loads = new Map<string, number>()

  private constructor(heartbeatValidMs: number, changed: (name: string) => void) {
    this.#catalog = new PoolCatalog(heartbeatValidMs)
    this.#changed = changed
  }

  /**
   * @param heartbeatValidMs how long a heartbeat tells the load of a pool
   * @param changed called with the name of a pool that came, went, or is not what it was
   */
  static async open(
    nc: NatsConnection,
    heartbeatValidMs: number,
    changed: (name: string) => void,
    log: Logger,
  ): Promise<PoolMirror> {
    const mirror = new PoolMirror(heartbeatValidMs, changed)
    await mirror.#follow(nc, log)
    return mirror
  }

  async #follow(nc: NatsConnection, log: Logger): Promise<void> {
    const catalog = this.#catalog
    const feed = await followPools(
      nc,
      {
        upserted: (pool, revision) => {
          catalog.heard(revision)
          if (!isRegisteredPool(pool)) throw new TypeError('no pool')
          if (catalog.put(pool, revision)) this.#changed(pool.name)
        },
        removed: (name, revision) => {
          if (catalog.remove(name, revision)) this.#changed(name)
          catalog.heard(revision)
        },
        health: (name, health) => {
          catalog.judge(name, health)
          this.#changed(name)
        },
        heartbeat: (name, workers, queued) => this.#heartbeat(name, workers, queued),
      },
      (subject) => log.debug({ subject }, 'what is stored there makes no sense and is left out'),
    )
    this.#parts.use(feed)
    const loads = nc.subscribe(INTERNAL.load, {
      callback: (error, message) => {
        if (!error) this.#heardLoad(message.string())
      },
    })
    this.#parts.defer(() => loads.unsubscribe())
    const timer = setInterval(() => {
      catalog.executors.prune(performance.now())
      if (this.#loads.size > MAX_LOADS) this.#loads.clear()
    }, PRUNE_MS)
    this.#parts.defer(() => clearInterval(timer))
  }

  #heartbeat(name: string, workers: number, queued: number): void {
    const now = performance.now()
    const before = this.#catalog.view(name, now)
    if (!this.#catalog.heartbeat(name, workers, queued, now)) return
    if (before?.current_workers !== workers || before.queue_size !== queued) this.#changed(name)
  }

  #heardLoad(text: string): void {
    try {
      const message: unknown = JSON.parse(text)
      if (!isJsonObject(message) || !isJsonObject(message['loads'])) return
      const executor = String(message['executor']).slice(0, 128)
      const loads = Object.entries(message['loads']).filter(isLoad)
      this.#catalog.executors.report(executor, loads, performance.now())
      for (const [pool, tasks] of loads) {
        const key = `${executor} ${pool}`
        if (this.#loads.get(key) === tasks) continue
        this.#loads.set(key, tasks)
        this.#changed(pool)
      }
    } catch {
      // Somebody else's message.
    }
  }

  /** As replies show it; undefined: there is none of that name. */
  get(name: string): PoolView | undefined {
    const pool = this.#catalog.view(name, performance.now())
    return pool && shownPool(pool)
  }

  /** In order of their names, from the one behind `after`. */
  *walk(filter: PoolFilter, after: string | null): Generator<PoolView, void, undefined> {
    for (const pool of this.#catalog.walk(filter, after, performance.now())) yield shownPool(pool)
  }

  totals(): { pools: PoolTotals; slots: SlotTotals } {
    const pools: PoolTotals = { total: 0, healthy: 0, degraded: 0, unhealthy: 0 }
    const slots: SlotTotals = { total: 0, used: 0 }
    for (const pool of this.#catalog.walk({}, null, performance.now())) {
      pools.total++
      if (pool.health_status === 'unavailable') pools.unhealthy++
      else pools[pool.health_status]++
      if (pool.health_status === 'unavailable') continue
      slots.total += pool.max_workers
      slots.used += Math.min(pool.current_workers, pool.max_workers)
    }
    return { pools, slots }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync()
  }
}

const isLoad = (entry: [string, unknown]): entry is [string, number] =>
  Number.isSafeInteger(entry[1]) && (entry[1] as number) >= 0
