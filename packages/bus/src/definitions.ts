// What the broker stores, as this version has it: `ensureTopology` makes it so, and `poolmesh doctor` compares.
import {
  AckPolicy,
  DiscardPolicy,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream'
import { nanos } from '@nats-io/transport-node'
import { BUCKETS, deadSubject, LANES, type PriorityLane, STREAMS } from '@poolmesh/types'
import { payloadStream } from './claim-check.ts'
import type { Settings } from './settings.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

export type StreamSettings = Parameters<JetStreamManager['streams']['add']>[0]
export type ConsumerSettings = Parameters<JetStreamManager['consumers']['add']>[1] & {
  filter_subject: string
}

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

export const topologyOf = ({ poolmesh, sources }: Settings): TopologyOptions => ({
  ...DEFAULT_TOPOLOGY,
  replicas: poolmesh.replicas,
  // A process that was started without the setting must not take away the copies that others asked for.
  resize: sources['POOLMESH_REPLICAS'] !== 'default',
  resultsHours: poolmesh.results_hours,
  maxPendingBytes: poolmesh.max_pending_bytes,
})

/** A subject of the events stream that nobody ever publishes to. */
export const NOTHING = 'poolmesh.nothing'

/** A lane, or what comes back into it from having been parked. */
export type Feed = PriorityLane | `${PriorityLane}-back`

/** Each lane behind what comes back into it: that was there before what waits in the lane. */
export const FEEDS: readonly { lane: PriorityLane; feed: Feed }[] = LANES.flatMap((lane) =>
  [`${lane}-back` as const, lane].map((feed) => ({ lane, feed })),
)

/** The streams, those behind the KV buckets, and the one behind the store of payloads. */
export const streamsOf = (options: TopologyOptions): StreamSettings[] => [
  tasks(options),
  results(options),
  ...records(options),
  ...Object.values(BUCKETS).map((name) => bucket(name, options)),
  payloadStream(options.replicas),
]

export const INTAKE_CONSUMER = 'intake'
export const FANOUT_CONSUMER = 'lane-fanout'

/** Of the stream of tasks, shared by any number of processes. Those of the lanes: see lane-consumers.ts. */
export const sharedConsumers = ({ ackWaitMs }: TopologyOptions): ConsumerSettings[] => [
  consumer(INTAKE_CONSUMER, 'task.submitted', ackWaitMs),
  consumer(FANOUT_CONSUMER, 'task.submitted.fanout.*', ackWaitMs),
]

/** Of the stream of tasks: it gives all that there is, at least once. */
export const consumer = (name: string, filter: string, ackWaitMs: number): ConsumerSettings => ({
  durable_name: name,
  filter_subject: filter,
  ack_policy: AckPolicy.Explicit,
  ack_wait: nanos(ackWaitMs),
  max_ack_pending: 1_000_000,
  max_deliver: -1,
})

const tasks = ({ replicas, maxPendingBytes }: TopologyOptions): StreamSettings => ({
  name: STREAMS.tasks,
  // Each lane by its name: what is published to a lane that does not exist must not be acknowledged.
  subjects: [
    'task.submitted',
    ...[...FEEDS.map(({ feed }) => feed), 'fanout'].map((lane) => `task.submitted.${lane}.*`),
    'task.parked.>',
  ],
  retention: RetentionPolicy.Workqueue,
  storage: StorageType.File,
  num_replicas: replicas,
  // A full stream refuses; it never drops what it has.
  discard: DiscardPolicy.New,
  max_bytes: maxPendingBytes,
  allow_direct: true,
  allow_msg_schedules: true,
  allow_msg_ttl: true,
})

const results = ({ replicas, resultsHours }: TopologyOptions): StreamSettings => ({
  name: STREAMS.results,
  subjects: ['task.completed.*', 'task.branch.*'],
  retention: RetentionPolicy.Limits,
  storage: StorageType.File,
  num_replicas: replicas,
  discard: DiscardPolicy.Old,
  max_age: nanos(resultsHours * HOUR_MS),
  allow_direct: true,
  republish: { src: 'task.completed.*', dest: 'task.completed' },
})

/** What happened, kept for a week, the oldest making room. */
const records = ({ replicas }: TopologyOptions): StreamSettings[] => {
  const record = {
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    num_replicas: replicas,
    discard: DiscardPolicy.Old,
    max_age: nanos(7 * DAY_MS),
    allow_direct: true,
  }
  return [
    {
      ...record,
      name: STREAMS.poolEvents,
      subjects: ['pool.registered', 'pool.deregistered', 'pool.unhealthy', 'pool.recovered', NOTHING],
      max_bytes: 1024 ** 3,
    },
    { ...record, name: STREAMS.rejected, subjects: ['task.rejected'], max_bytes: 256 * 1024 ** 2 },
    {
      ...record,
      name: STREAMS.dead,
      subjects: [deadSubject('*')],
      max_bytes: 1024 ** 3,
      max_msgs_per_subject: 1,
      // What was stored once is not stored again by whoever takes over, even where somebody has taken it out meanwhile.
      duplicate_window: nanos(HOUR_MS),
    },
  ]
}

/** As clients of NATS make a KV bucket (ADR-8). */
const bucket = (name: string, { replicas }: TopologyOptions): StreamSettings => ({
  name: `KV_${name}`,
  subjects: [`$KV.${name}.>`],
  retention: RetentionPolicy.Limits,
  storage: StorageType.File,
  num_replicas: replicas,
  discard: DiscardPolicy.New,
  max_msgs_per_subject: 1,
  allow_direct: true,
  allow_rollup_hdrs: true,
  // Lets the mark of a removal have an end of its own, so that the names that went do not add up.
  allow_msg_ttl: true,
  subject_delete_marker_ttl: nanos(DAY_MS),
})
