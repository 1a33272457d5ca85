// Connections for health checks. Each check has one of its own as long as it takes, so that a pool that hangs never holds up
// its neighbours at the same address; the next check there uses it again. Of most addresses there is never more than one: each
// client keeps one connection an origin, which is far cheaper than a pool of them an origin when there are ten thousand.
import { HttpClient } from '@poolmesh/adapters'

/** A health answer is small; of one that is longer its status counts. */
const MAX_BODY_BYTES = 64 * 1024
/** The next check of a pool is half a minute away: a connection is kept for its neighbours. */
const KEEP_ALIVE_MS = 1_000

type Exchange = HttpClient['exchange']

export class CheckConnections {
  readonly #clients: HttpClient[] = []
  /** By address: which clients have a check under way there. */
  readonly #busy = new Map<string, Set<number>>()

  /** See HttpClient. How many there are at a time is the caller's to bound. */
  async exchange(...[target, sent]: Parameters<Exchange>): ReturnType<Exchange> {
    const { origin } = new URL(target.base)
    const busy = this.#busy.get(origin) ?? new Set()
    this.#busy.set(origin, busy)
    let slot = 0
    while (busy.has(slot)) slot++
    busy.add(slot)
    try {
      return await this.#client(slot).exchange(target, sent)
    } finally {
      busy.delete(slot)
      if (busy.size === 0) this.#busy.delete(origin)
    }
  }

  #client(slot: number): HttpClient {
    this.#clients[slot] ??= new HttpClient({
      connections: 1,
      keepAliveMs: KEEP_ALIVE_MS,
      maxResponseBytes: MAX_BODY_BYTES,
    })
    return this.#clients[slot]
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()))
  }
}
