// Executors tell each other that they are there. The one that dispatches tells the registry too, with what its tasks hold of
// each pool and which draining pools have none of them left.
import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node'
import type { PoolTable } from '@poolmesh/core'
import { INTERNAL } from '@poolmesh/types'
import type { DrainingPools } from './pools.ts'

const LOAD_MS = 500
const PRESENCE_MS = 1_000
/** An executor that was silent so long is gone. */
const GONE_MS = 3_500

export interface PresenceOptions {
  id: string
  table: PoolTable
  draining: DrainingPools
  /** Whether we dispatch. */
  acting(): boolean
  /** Whose runs we follow while we stand by. */
  following(): string | null
  /** An executor stands by, and does not follow our runs yet. */
  onFollower(): void
}

export class Presence implements Disposable {
  readonly #nc: NatsConnection
  readonly #id: string
  readonly #table: PoolTable
  readonly #draining: DrainingPools
  readonly #peers = new Map<string, number>()
  readonly #options: PresenceOptions
  readonly #subscriptions: Subscription[]
  readonly #timers: NodeJS.Timeout[]
  readonly #reported = new Map<string, number>()

  constructor(nc: NatsConnection, options: PresenceOptions) {
    const { id, table, draining } = options
    this.#nc = nc
    this.#options = options
    this.#id = id
    this.#table = table
    this.#draining = draining
    const hear = (message: Msg): void => {
      const { executor: peer, following } = message.json<{ executor?: string; following?: string | null }>()
      if (!peer || peer === id) return
      this.#peers.set(peer, performance.now())
      if (message.subject === INTERNAL.standby && following !== id && options.acting()) options.onFollower()
    }
    this.#subscriptions = [INTERNAL.executors, INTERNAL.standby].map((subject) =>
      nc.subscribe(subject, {
        callback: (error, message) => {
          if (!error) hear(message)
        },
      }),
    )
    this.#timers = [
      setInterval(() => this.#announce(), PRESENCE_MS),
      setInterval(() => this.#report(), LOAD_MS),
    ]
    this.#announce()
  }

  /** Whether another executor runs, as far as was heard. */
  hasPeers(): boolean {
    const now = performance.now()
    for (const [peer, heard] of this.#peers) if (now - heard > GONE_MS) this.#peers.delete(peer)
    return this.#peers.size > 0
  }

  #say(subject: string, message: object): void {
    if (!this.#nc.isClosed()) this.#nc.publish(subject, JSON.stringify({ executor: this.#id, ...message }))
  }

  #announce(): void {
    const { acting, following } = this.#options
    if (!acting()) {
      this.#say(INTERNAL.standby, { following: following() })
      return
    }
    this.#say(INTERNAL.executors, {})
    for (const [pool, registeredAt] of this.#draining)
      if ((this.#table.get(pool)?.running ?? 0) === 0)
        this.#say(INTERNAL.drained, { pool, registered_at: registeredAt })
    // All of it once a second, so that whoever has just started knows it too.
    this.#reported.clear()
  }

  /** What changed since the last report; pools that are empty again are told once. */
  #report(): void {
    if (!this.#options.acting()) return
    const loads: Record<string, number> = Object.create(null)
    let changed = 0
    for (const pool of this.#table.busy()) {
      if (this.#reported.get(pool.name) === pool.running) continue
      loads[pool.name] = pool.running
      this.#reported.set(pool.name, pool.running)
      changed++
    }
    for (const [name, running] of this.#reported) {
      if (running === 0 || (this.#table.get(name)?.running ?? 0) > 0) continue
      loads[name] = 0
      this.#reported.set(name, 0)
      changed++
    }
    if (changed > 0) this.#say(INTERNAL.load, { loads })
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearInterval(timer)
    for (const subscription of this.#subscriptions) subscription.unsubscribe()
  }
}
