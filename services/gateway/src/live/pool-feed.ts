// What changed of pools, at most once a second and at most so many at once: a pool that changes ten times is told once.
import type { PoolMirror } from '../pools/mirror.ts'
import type { Hub } from './hub.ts'

const BEATS = 2
/** Pools in one event; the others follow in the next. */
const MAX_POOLS = 500

export class PoolFeed {
  readonly #hub: Hub
  readonly #pools: () => PoolMirror
  #changed = new Set<string>()

  constructor(hub: Hub, pools: () => PoolMirror) {
    this.#hub = hub
    this.#pools = pools
    hub.onBeat((beat) => {
      if (beat % BEATS === 0) this.#tell()
    })
  }

  /** Bounded by the number of pools. */
  changed(name: string): void {
    this.#changed.add(name)
  }

  #tell(): void {
    const names = [...this.#changed].slice(0, MAX_POOLS)
    if (names.length === this.#changed.size) this.#changed = new Set()
    else for (const name of names) this.#changed.delete(name)
    if (names.length === 0) return
    const pools = this.#pools()
    for (const name of names) {
      const topic = `pool:${name}`
      if (this.#hub.hasListeners(topic))
        this.#hub.publish(topic, { name, pool: pools.get(name) ?? null }, true)
    }
    if (!this.#hub.hasListeners('pools')) return
    const removed: string[] = []
    const changed = names.flatMap((name) => {
      const pool = pools.get(name)
      if (pool === undefined) removed.push(name)
      return pool ?? []
    })
    this.#hub.publish('pools', { changed, removed }, true)
  }
}
