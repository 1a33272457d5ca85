// How pools behave, for the health monitor: counted, and told a few times a second.
import type { NatsConnection } from '@nats-io/transport-node'
import { INTERNAL } from '@poolmesh/types'

const TELL_MS = 200

export class Reports implements Disposable {
  readonly #nc: NatsConnection
  readonly #counts = new Map<string, { pool: string; kind: string; count: number }>()
  readonly #timer: NodeJS.Timeout

  constructor(nc: NatsConnection) {
    this.#nc = nc
    this.#timer = setInterval(() => this.#tell(), TELL_MS)
  }

  add(pool: string, kind: string): void {
    const key = `${kind} ${pool}`
    const known = this.#counts.get(key)
    if (known) known.count++
    else this.#counts.set(key, { pool, kind, count: 1 })
  }

  #tell(): void {
    if (this.#nc.isClosed()) return
    for (const report of this.#counts.values()) this.#nc.publish(INTERNAL.poolReport, JSON.stringify(report))
    this.#counts.clear()
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}
