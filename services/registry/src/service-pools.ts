// Pools that are NATS micro services (ADR-32): one with an endpoint on `pool.work.<name>` is the pool of that name, whatever
// the service is called. What `$SRV.INFO` says of it is its descriptor.
import { Svcm } from '@nats-io/services'
import type { NatsConnection } from '@nats-io/transport-node'
import { workSubject } from '@poolmesh/types'
import { type Asking, failure, type Listing, readListing } from './listing.ts'

/** Asks the bus in place of an HTTP server. */
export const SERVICES_ENDPOINT = 'nats://services'
/** Instances that are heard; more is a mistake, or somebody who means harm. */
const MAX_INSTANCES = 10_000
/** No answer for so long after the last one: all have answered. */
const STALL_MS = 300
const WORK = workSubject('')

interface Described {
  max_workers: number
  [field: string]: unknown
}

/** Instances of one pool share its work: their workers add up. @throws PoolmeshError when the bus cannot be asked */
export async function askServices(nc: NatsConnection, asking: Asking): Promise<Listing> {
  const pools = new Map<string, Described>()
  try {
    const client = new Svcm(nc).client({
      strategy: 'stall',
      stall: STALL_MS,
      maxWait: asking.timeoutMs,
      maxMessages: MAX_INSTANCES,
    })
    for await (const { metadata, endpoints } of await client.info())
      for (const endpoint of endpoints ?? []) {
        if (!endpoint.subject.startsWith(WORK)) continue
        const name = endpoint.subject.slice(WORK.length)
        const pool = describe(name, { ...metadata, ...endpoint.metadata })
        const known = pools.get(name)
        if (known) known.max_workers += pool.max_workers
        else pools.set(name, pool)
      }
  } catch (error) {
    throw failure(`the services cannot be asked: ${(error as Error).message}`)
  }
  return readListing([...pools.values()], asking)
}

/** Metadata of services is text: `max_workers` is a number, `capabilities` names with commas between. */
function describe(name: string, metadata: Record<string, string>): Described {
  const { capabilities = '', max_workers = '1', region = null, ...others } = metadata
  return {
    name,
    pool_type: 'nats',
    capabilities: capabilities
      .split(',')
      .map((one) => one.trim())
      .filter(Boolean),
    max_workers: Number(max_workers),
    region,
    metadata: others,
  }
}
