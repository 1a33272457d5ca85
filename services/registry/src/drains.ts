// Listens to the executors, and takes draining pools out when their last task has ended.
import type { NatsConnection } from '@nats-io/transport-node'
import type { Logger } from '@poolmesh/bus'
import { DrainLedger, type PoolCatalog } from '@poolmesh/core'
import { INTERNAL, isJsonObject } from '@poolmesh/types'
import type { Registrar } from './registrar.ts'

const TICK_MS = 250

type Message = Record<string, unknown> & { executor: string }

export class Drains implements Disposable {
  readonly #catalog: PoolCatalog
  readonly #registrar: Registrar
  readonly #log: Logger
  readonly #ledger = new DrainLedger(performance.now())
  readonly #removing = new Set<string>()
  readonly #stops = new DisposableStack()

  constructor(nc: NatsConnection, catalog: PoolCatalog, registrar: Registrar, log: Logger) {
    this.#catalog = catalog
    this.#registrar = registrar
    this.#log = log
    const timer = setInterval(() => this.#tick(), TICK_MS)
    this.#stops.defer(() => clearInterval(timer))
    const listen = (subject: string, hear: (message: Message, now: number) => void): void => {
      const subscription = nc.subscribe(subject, {
        callback: (error, message) => {
          const read = error ? null : readMessage(message.string())
          if (read) hear(read, performance.now())
        },
      })
      this.#stops.defer(() => subscription.unsubscribe())
    }
    listen(INTERNAL.executors, ({ executor }, now) => this.#ledger.executorSeen(executor, now))
    listen(INTERNAL.load, ({ executor, loads }, now) => {
      if (isJsonObject(loads)) catalog.executors.report(executor, Object.entries(loads).filter(isLoad), now)
    })
    listen(INTERNAL.drained, ({ executor, pool, registered_at: registeredAt }, now) => {
      if (typeof pool !== 'string' || typeof registeredAt !== 'string') return
      // Only of pools that drain now, so that nobody can make us keep anything else.
      if (!catalog.draining.has(pool) || catalog.known(pool)?.pool.registered_at !== registeredAt) return
      this.#ledger.drained(pool, registeredAt, executor, now)
      this.#consider(pool, now)
    })
  }

  #tick(): void {
    const now = performance.now()
    this.#catalog.executors.prune(now)
    this.#ledger.prune(this.#catalog.draining, now)
    for (const pool of this.#catalog.draining) this.#consider(pool, now)
  }

  #consider(name: string, now: number): void {
    const registeredAt = this.#catalog.known(name)?.pool.registered_at
    if (registeredAt === undefined || this.#removing.has(name)) return
    if (!this.#ledger.mayGo(name, registeredAt, now)) return
    this.#removing.add(name)
    this.#registrar
      .removeDrained(name, registeredAt)
      // The next tick tries again.
      .catch((error) =>
        this.#log.warn({ pool_name: name, err: error }, 'a drained pool could not be removed'),
      )
      .finally(() => this.#removing.delete(name))
  }

  [Symbol.dispose](): void {
    this.#stops.dispose()
  }
}

function readMessage(text: string): Message | null {
  try {
    const message: unknown = JSON.parse(text)
    const executor = isJsonObject(message) ? message['executor'] : null
    return typeof executor === 'string' && executor.length <= 128 ? (message as Message) : null
  } catch {
    return null
  }
}

const isLoad = (entry: [string, unknown]): entry is [string, number] =>
  Number.isSafeInteger(entry[1]) && (entry[1] as number) >= 0
