// What the broker stores: made when a service starts, the same whoever comes first.
import {
  AckPolicy,
  DiscardPolicy,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import type { NatsConnection } from '@nats-io/transport-node'
import { nanos } from '@nats-io/transport-node'
import { BUCKETS, deadSubject, LANES, PAYLOAD_STORE, PoolmeshError, STREAMS } from '@poolmesh/types'
import { makePayloadStore } from './claim-check.ts'
import { onceClusterAgrees } from './replicas.ts'

const HOUR_MS = 3_600_000

export interface TopologyOptions {
  /** Copies of each stream, consumer and bucket. */
  replicas: 1 | 3
  /** Whether what is there already gets that many copies too; else it keeps those that it has. */
  resize: boolean
  /** Hours that results are kept. */
  resultsHours: number
  /** Bytes of pending tasks; a submission beyond is refused. */
  maxPendingBytes: number
  /** Milliseconds after which what a distributor, or an executor's intake, died over is given to another. */
  ackWaitMs: number
}

export const DEFAULT_TOPOLOGY: TopologyOptions = {
  replicas: 1,
  resize: false,
  resultsHours: 24,
  maxPendingBytes: 8 * 1024 ** 3,
  ackWaitMs: 6_000,
}

/** Scheduled messages, on which parked tasks rest, came with 2.12. */
const OLDEST_SERVER = [2, 12] as const

/** @param version of a NATS server */
export function isTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major < OLDEST_SERVER[0] || (major === OLDEST_SERVER[0] && minor < OLDEST_SERVER[1])
}

const BUCKET_STREAMS = [...Object.values(BUCKETS).map((name) => `KV_${name}`), `OBJ_${PAYLOAD_STORE}`]
/** What there is once a service has started. */
export const EXPECTED_STREAMS: readonly string[] = [...Object.values(STREAMS), ...BUCKET_STREAMS]

/** A subject of the events stream that nobody ever publishes to. */
export const NOTHING = 'poolmesh.nothing'

export const INTAKE_CONSUMER = 'intake'
/** `<lane>-back`: tasks that were parked and come back; they were there before what waits in the lane. */
const LANE_NAMES = [...LANES, ...LANES.map((lane) => `${lane}-back`), 'fanout']
export const FANOUT_CONSUMER = 'lane-fanout'

/**
 * Makes the streams, consumers and buckets that are missing. Safe to run from several processes at once. A cluster that is
 * finding its leader is waited for.
 * @throws PoolmeshError UNAVAILABLE when the server is too old or has JetStream off, INVALID_SETTING when it cannot keep
 *   that many copies
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
    const [copies] = await Promise.all([tasks(jsm, options), results(jsm, options), records(jsm, options)])
    await buckets(nc, jsm, options)
    return copies
  })
}

async function buckets(nc: NatsConnection, jsm: JetStreamManager, options: TopologyOptions): Promise<void> {
  const { replicas } = options
  const kvm = new Kvm(nc)
  const bucket = {
    replicas,
    history: 1,
    storage: StorageType.File,
    // Lets the mark of a removal have an end of its own, so that the names that went do not add up.
    markerTTL: 24 * HOUR_MS,
  }
  await Promise.all([
    ...Object.values(BUCKETS).map((name) => kvm.create(name, bucket)),
    makePayloadStore(nc, replicas),
  ])
  if (!options.resize) return
  await Promise.all(
    BUCKET_STREAMS.map(async (name) => {
      const { config } = await jsm.streams.info(name)
      if (config.num_replicas !== replicas) await jsm.streams.update(name, { num_replicas: replicas })
    }),
  )
}

/** The stream, and the consumers that any number of processes share. Those of the lanes: see lane-consumers.ts. */
async function tasks(jsm: JetStreamManager, options: TopologyOptions): Promise<number> {
  const copies = await ensureStream(jsm, options, {
    name: STREAMS.tasks,
    // Each lane by its name: what is published to a lane that does not exist must not be acknowledged.
    subjects: ['task.submitted', ...LANE_NAMES.map((lane) => `task.submitted.${lane}.*`), 'task.parked.>'],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.File,
    num_replicas: options.replicas,
    // A full stream refuses; it never drops what it has.
    discard: DiscardPolicy.New,
    max_bytes: options.maxPendingBytes,
    allow_direct: true,
    allow_msg_schedules: true,
    allow_msg_ttl: true,
  })
  const consumer = (name: string, filter: string) =>
    jsm.consumers.add(STREAMS.tasks, {
      durable_name: name,
      filter_subject: filter,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(options.ackWaitMs),
      max_ack_pending: 1_000_000,
      max_deliver: -1,
    })
  await Promise.all([
    consumer(INTAKE_CONSUMER, 'task.submitted'),
    consumer(FANOUT_CONSUMER, 'task.submitted.fanout.*'),
  ])
  return copies
}

async function results(jsm: JetStreamManager, options: TopologyOptions): Promise<void> {
  await ensureStream(jsm, options, {
    name: STREAMS.results,
    subjects: ['task.completed.*', 'task.branch.*'],
    storage: StorageType.File,
    num_replicas: options.replicas,
    max_age: nanos(options.resultsHours * HOUR_MS),
    allow_direct: true,
    republish: { src: 'task.completed.*', dest: 'task.completed' },
  })
}

async function records(jsm: JetStreamManager, options: TopologyOptions): Promise<void> {
  await ensureStream(jsm, options, {
    name: STREAMS.poolEvents,
    subjects: ['pool.registered', 'pool.deregistered', 'pool.unhealthy', 'pool.recovered', NOTHING],
    storage: StorageType.File,
    num_replicas: options.replicas,
    max_age: nanos(7 * 24 * HOUR_MS),
    max_bytes: 1024 ** 3,
    allow_direct: true,
  })
  await ensureStream(jsm, options, {
    name: STREAMS.rejected,
    subjects: ['task.rejected'],
    storage: StorageType.File,
    num_replicas: options.replicas,
    max_age: nanos(7 * 24 * HOUR_MS),
    max_bytes: 256 * 1024 ** 2,
    allow_direct: true,
  })
  await ensureStream(jsm, options, {
    name: STREAMS.dead,
    subjects: [deadSubject('*')],
    storage: StorageType.File,
    num_replicas: options.replicas,
    max_age: nanos(7 * 24 * HOUR_MS),
    max_bytes: 1024 ** 3,
    max_msgs_per_subject: 1,
    allow_direct: true,
    // What was stored once is not stored again by whoever takes over, even where somebody has taken it out meanwhile.
    duplicate_window: nanos(HOUR_MS),
  })
}

type StreamSettings = Parameters<JetStreamManager['streams']['add']>[0]

/**
 * A stream with the same name and other settings is brought to ours where the server allows it.
 * @returns its copies
 */
async function ensureStream(
  jsm: JetStreamManager,
  { resize }: TopologyOptions,
  settings: StreamSettings,
): Promise<number> {
  try {
    return (await jsm.streams.add(settings)).config.num_replicas
  } catch (error) {
    const inUse = /already in use/.test((error as Error).message)
    if (!inUse) throw error
    const { num_replicas: _, ...others } = settings
    return (await jsm.streams.update(settings.name, resize ? settings : others)).config.num_replicas
  }
}
