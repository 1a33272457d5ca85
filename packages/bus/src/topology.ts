// Makes what the broker stores when a service starts, the same whoever comes first.
import { JetStreamApiError, type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { PoolmeshError, STREAMS } from '@poolmesh/types'
import {
  type ConsumerSettings,
  DEFAULT_TOPOLOGY,
  type StreamSettings,
  sharedConsumers,
  streamsOf,
  type TopologyOptions,
} from './definitions.ts'
import { onceClusterAgrees } from './replicas.ts'

/** Scheduled messages, on which parked tasks rest, came with 2.12. */
const OLDEST_SERVER = [2, 12] as const

/** @param version of a NATS server */
export function isTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major < OLDEST_SERVER[0] || (major === OLDEST_SERVER[0] && minor < OLDEST_SERVER[1])
}

/**
 * Makes the streams, consumers and buckets that are missing, and brings those with other settings to ours. Safe to run from
 * several processes at once. A cluster that is finding its leader is waited for.
 * @throws PoolmeshError UNAVAILABLE when the server is too old, has JetStream off or does not change what is there,
 *   INVALID_SETTING when it cannot keep that many copies
 * @returns the copies that there are of a pending task
 */
export async function ensureTopology(
  nc: NatsConnection,
  options: TopologyOptions = DEFAULT_TOPOLOGY,
): Promise<number> {
  const version = nc.info?.version ?? '0.0'
  if (isTooOld(version))
    throw new PoolmeshError(
      'UNAVAILABLE',
      `nats-server ${version} is too old: poolmesh needs ${OLDEST_SERVER.join('.')} or newer`,
    )
  return await onceClusterAgrees(nc, options.replicas, async () => {
    const jsm = await jetstreamManager(nc)
    const [copies = 0] = await Promise.all(
      streamsOf(options).map((settings) => ensureStream(jsm, options, settings)),
    )
    await Promise.all(sharedConsumers(options).map((settings) => ensureConsumer(jsm, settings)))
    return copies
  })
}

/** @returns its copies */
async function ensureStream(
  jsm: JetStreamManager,
  { resize }: TopologyOptions,
  settings: StreamSettings,
): Promise<number> {
  try {
    return (await jsm.streams.add(settings)).config.num_replicas
  } catch (error) {
    if (codeOf(error) !== STREAM_IN_USE) throw error
    const { num_replicas: _, ...others } = settings
    const changing = jsm.streams.update(settings.name, resize ? settings : others)
    const { config } = await changing.catch((cause: unknown) => refuse(`the stream ${settings.name}`, cause))
    return config.num_replicas
  }
}

async function ensureConsumer(jsm: JetStreamManager, settings: ConsumerSettings): Promise<void> {
  const { durable_name: name = '' } = settings
  try {
    await jsm.consumers.add(STREAMS.tasks, settings)
  } catch (error) {
    if (codeOf(error) !== CONSUMER_EXISTS) throw error
    const changing = jsm.consumers.update(STREAMS.tasks, name, settings)
    await changing.catch((cause: unknown) => refuse(`the consumer ${name} of ${STREAMS.tasks}`, cause))
  }
}

/** There, with other settings. */
const STREAM_IN_USE = 10058
const CONSUMER_EXISTS = 10148
/** Of a change that the server never makes, such as another storage: of a stream, of a consumer. */
const NEVER_CHANGED = [10052, 10012]

const codeOf = (error: unknown): number => (error instanceof JetStreamApiError ? error.code : 0)

function refuse(what: string, cause: unknown): never {
  if (!NEVER_CHANGED.includes(codeOf(cause))) throw cause
  const message = `${what} has settings that the server does not change (${(cause as Error).message}); poolmesh doctor says what is different and what to do`
  throw new PoolmeshError('UNAVAILABLE', message, [], { cause })
}
