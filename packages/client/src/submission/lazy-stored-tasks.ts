import type { NatsConnection } from '@nats-io/transport-node'
import { StoredTasks } from '@poolmesh/bus'

/** Opened when something has to be looked up for the first time: most clients never need it. */
export class LazyStoredTasks implements Disposable {
  readonly #nc: NatsConnection
  #stored: Promise<StoredTasks> | null = null

  constructor(nc: NatsConnection) {
    this.#nc = nc
  }

  get(): Promise<StoredTasks> {
    this.#stored ??= StoredTasks.open(this.#nc).catch((cause) => {
      // The next call tries again: a broker that was away may be back.
      this.#stored = null
      throw cause
    })
    return this.#stored
  }

  /** Whether anything is stored under the subject of RESULTS; null where the broker does not say. */
  async exists(subject: string): Promise<boolean | null> {
    try {
      const stored = await this.get()
      return await new Promise((resolve) => stored.exists(subject, resolve))
    } catch {
      return null
    }
  }

  [Symbol.dispose](): void {
    void this.#stored?.then((stored) => stored.close()).catch(() => {})
  }
}
