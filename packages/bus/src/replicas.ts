// What a broker answers that cannot keep as many copies as it is asked for: not yet, because a cluster is still finding
// its leader, or not at all.
import { setTimeout as sleep } from 'node:timers/promises'
import { JetStreamApiError } from '@nats-io/jetstream'
import { errors, type NatsConnection } from '@nats-io/transport-node'
import { PoolmeshError } from '@poolmesh/types'
import { NO_LEADER } from './publisher.ts'

/** `replicas > 1 not supported in non-clustered mode`. */
const NOT_CLUSTERED = 10074
/** Fewer servers with room than copies: too few of them, or not all have found each other yet. */
const NO_PEERS = 10005
/** What another process is making at this moment is refused as there, and not found when it is looked at. */
const BEING_MADE = [10058, 10059]
const PASSING = new Set([...NO_LEADER, ...BEING_MADE, NO_PEERS])
/** Elections take seconds; a cluster that is started on busy machines needs longer to find all its servers. */
const PATIENCE_MS = 60_000
/** Too few servers is more often a mistake than a start. */
const PATIENCE_FOR_PEERS_MS = 15_000
const RETRY_MS = 300

/**
 * Runs it again while a cluster has no leader or does not answer, for 60 s; while it has too few servers, for 15 s.
 * @throws PoolmeshError INVALID_SETTING when the broker cannot keep that many copies, UNAVAILABLE
 */
export async function onceClusterAgrees<T>(
  nc: NatsConnection,
  replicas: number,
  make: () => Promise<T>,
): Promise<T> {
  const start = performance.now()
  for (;;) {
    try {
      return await make()
    } catch (error) {
      const patience = codeOf(error) === NO_PEERS ? PATIENCE_FOR_PEERS_MS : PATIENCE_MS
      if (performance.now() > start + patience || !mayPass(nc, error)) throw explain(nc, replicas, error)
      await sleep(RETRY_MS)
    }
  }
}

const codeOf = (error: unknown): number => (error instanceof JetStreamApiError ? error.code : 0)

function isSilence(error: unknown): boolean {
  const causes = [error, (error as Error).cause]
  return causes.some((one) => one instanceof errors.TimeoutError || one instanceof errors.NoRespondersError)
}

const mayPass = (nc: NatsConnection, error: unknown): boolean =>
  !nc.isClosed() && nc.info?.cluster !== undefined && (PASSING.has(codeOf(error)) || isSilence(error))

function explain(nc: NatsConnection, replicas: number, error: unknown): unknown {
  const server = `the NATS server at ${nc.getServer()}`
  const found = {
    [NOT_CLUSTERED]: `${server} runs alone and keeps one copy`,
    [NO_PEERS]: `${server} is in a cluster that has fewer servers than that with JetStream and room`,
  }[codeOf(error)]
  if (found !== undefined)
    return new PoolmeshError(
      'INVALID_SETTING',
      `POOLMESH_REPLICAS is ${replicas}, and ${found}: name a cluster of ${replicas} with NATS_URL, or set POOLMESH_REPLICAS=1`,
      [{ path: 'POOLMESH_REPLICAS', message: `is ${replicas}, more than there are servers` }],
      { cause: error },
    )
  const { message, name } = error as Error
  if (name !== 'JetStreamNotEnabled' && !isSilence(error) && !PASSING.has(codeOf(error))) return error
  const what = nc.info?.cluster === undefined ? 'is not enabled on' : 'does not answer at'
  return new PoolmeshError('UNAVAILABLE', `JetStream ${what} ${server} (${message})`, [], {
    cause: error,
  })
}
