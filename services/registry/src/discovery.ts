// Keeps the registered pools like what the endpoints list.
import type { NatsConnection } from '@nats-io/transport-node'
import { firstThatFit, type Lists, type PoolCatalog } from '@poolmesh/core'
import type { DiscoverReply } from '@poolmesh/types'
import { askEndpoint, normalEndpoint } from './endpoint-pools.ts'
import type { Asking, Listing } from './listing.ts'
import { askMcp, isMcpEndpoint } from './mcp-pools.ts'
import type { Registrar } from './registrar.ts'
import { askServices, SERVICES_ENDPOINT } from './service-pools.ts'

/** Endpoints that are asked at the same time. */
const MAX_ASKED = 32

export class Discovery {
  readonly #nc: NatsConnection
  readonly #catalog: PoolCatalog
  readonly #registrar: Registrar
  readonly #asking: Asking

  constructor(nc: NatsConnection, catalog: PoolCatalog, registrar: Registrar, asking: Asking) {
    this.#nc = nc
    this.#catalog = catalog
    this.#registrar = registrar
    this.#asking = asking
  }

  /** Asks the endpoints and takes over what they say. An endpoint that fails keeps the pools that it had. */
  async run(endpoints: readonly string[]): Promise<DiscoverReply> {
    const reply: DiscoverReply = { new: [], changed: [], gone: [], failed: [] }
    const asked = new Map<string, { endpoint: string; listing: Listing | null }>()
    for (const endpoint of endpoints)
      try {
        asked.set(normalEndpoint(endpoint), { endpoint, listing: null })
      } catch (error) {
        reply.failed.push({ endpoint, reason: (error as Error).message })
      }
    await eachOf([...asked], MAX_ASKED, async ([address, entry]) => {
      try {
        entry.listing = await this.#ask(address, entry.endpoint)
        for (const reason of entry.listing.reasons) reply.failed.push({ endpoint: entry.endpoint, reason })
      } catch (error) {
        reply.failed.push({ endpoint: entry.endpoint, reason: (error as Error).message })
      }
    })
    const lists = (owner: string, name: string): Lists => {
      const entry = asked.get(owner)
      if (entry === undefined) return 'unasked'
      return entry.listing?.names.has(name) === true ? 'yes' : 'no'
    }
    for (const [address, { endpoint, listing }] of asked)
      if (listing !== null) await this.#takeOver(address, endpoint, listing, lists, reply)
    return reply
  }

  async #ask(address: string, endpoint: string): Promise<Listing> {
    if (address === SERVICES_ENDPOINT) return await askServices(this.#nc, this.#asking)
    if (isMcpEndpoint(address)) return await askMcp(endpoint, this.#asking)
    return await askEndpoint(address, this.#asking)
  }

  async #takeOver(
    address: string,
    endpoint: string,
    listing: Listing,
    lists: (owner: string, name: string) => Lists,
    reply: DiscoverReply,
  ): Promise<void> {
    const gone = this.#catalog.discoveredAt(address).filter((name) => !listing.names.has(name))
    try {
      await Promise.all([
        ...listing.pools.map(async (pool) => {
          const verdict = await this.#registrar.adopt(pool, address, lists)
          if (verdict !== 'keep') reply[verdict].push(pool.name)
        }),
        ...gone.map(async (name) => {
          if (await this.#registrar.drainGone(name, address)) reply.gone.push(name)
        }),
      ])
    } catch (error) {
      reply.failed.push({ endpoint, reason: (error as Error).message })
    }
  }
}

/** What fits into one message, each list with an equal share. `left_out` says how many names and reasons did not. */
export function cutReply(reply: DiscoverReply, maxBytes: number): DiscoverReply {
  const share = Math.floor(maxBytes / 4) - 64
  const cut: DiscoverReply = {
    new: firstThatFit(reply.new, share),
    changed: firstThatFit(reply.changed, share),
    gone: firstThatFit(reply.gone, share),
    failed: firstThatFit(reply.failed, share),
  }
  const count = (of: DiscoverReply): number =>
    of.new.length + of.changed.length + of.gone.length + of.failed.length
  const leftOut = count(reply) - count(cut)
  return leftOut > 0 ? { ...cut, left_out: leftOut } : cut
}

async function eachOf<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items.values()
  const worker = async (): Promise<void> => {
    for (const item of rest) await work(item)
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker))
}
