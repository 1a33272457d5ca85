// Events of pools: as they come, or from a position of the reader's own that outlives it.
import { AckPolicy, DeliverPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { type PoolEvent, poolEventSchema, STREAMS, SUBJECTS } from '@poolmesh/types'
import { onAbort } from './abort.ts'
import { EventStream } from './event-stream.ts'
import { type BackPage, readBack } from './read-back.ts'

export type PoolEventKind = 'registered' | 'deregistered' | 'unhealthy' | 'recovered'
/** An event, with the last part of its subject. */
export type PoolChange = PoolEvent & { kind: PoolEventKind }
/** `sequence`: of the message in the stream of events; grows with each. */
export type StoredPoolChange = PoolChange & { sequence: number }

export interface PoolEventOptions {
  /** Which ones; default `unhealthy` and `recovered`. */
  kinds?: readonly PoolEventKind[] | undefined
  /** Ends the iteration. */
  signal?: AbortSignal | undefined
  /**
   * A name of `A-Za-z0-9_-` under which the broker keeps what this reader has had: what comes while it is away is given
   * to it later, for as long as events are kept (7 days). An event counts as had when the next one is asked for. Several
   * readers with one name share the events.
   */
  durable?: string | undefined
}

const BY_KIND = {
  registered: SUBJECTS.poolRegistered,
  deregistered: SUBJECTS.poolDeregistered,
  unhealthy: SUBJECTS.poolUnhealthy,
  recovered: SUBJECTS.poolRecovered,
} as const satisfies Record<PoolEventKind, string>

/** Events that a reader without a durable name may be behind; the oldest are dropped beyond. */
const EVENTS_KEPT = 1_000

const DEFAULT_LIMIT = 100
/** Events that are looked at for those that are wanted; the cursor goes on behind. */
const DEFAULT_SCAN = 100_000

const kindOf = (subject: string): PoolEventKind => subject.slice('pool.'.length) as PoolEventKind

function readEvent(subject: string, text: string): PoolChange | null {
  try {
    const event = poolEventSchema.safeParse(JSON.parse(text))
    return event.success ? { ...event.data, kind: kindOf(subject) } : null
  } catch {
    return null
  }
}

/** Listens from now on; the subscription is made before this returns. */
export function listenToPools(nc: NatsConnection, options: PoolEventOptions = {}): EventStream<PoolChange> {
  const kinds = options.kinds ?? ['unhealthy', 'recovered']
  const stream = new EventStream<PoolChange>({
    capacity: EVENTS_KEPT,
    onClose: () => {
      for (const subscription of subscriptions) subscription.unsubscribe()
      abort[Symbol.dispose]()
    },
  })
  const subscriptions = kinds.map((kind) =>
    nc.subscribe(BY_KIND[kind], {
      callback: (error, message) => {
        const event = error ? null : readEvent(message.subject, message.string())
        if (event) stream.push(event)
      },
    }),
  )
  const abort = onAbort(options.signal, () => stream.end())
  return stream
}

export interface RecentPoolEventsOptions {
  /** Events at most; default 100. */
  limit?: number | undefined
  /** Which ones; default all four. */
  kinds?: readonly PoolEventKind[] | undefined
  /** Of that pool only. */
  pool?: string | undefined
  /** What the page before gave. */
  cursor?: string | null | undefined
}

/**
 * One page of the events that are kept (7 days), newest first.
 * @throws PoolmeshError INVALID_INPUT for a cursor that is none, UNAVAILABLE
 */
export async function recentPoolEvents(
  nc: NatsConnection,
  options: RecentPoolEventsOptions = {},
): Promise<BackPage<StoredPoolChange>> {
  const { kinds, pool } = options
  return await readBack<StoredPoolChange>(nc, {
    stream: STREAMS.poolEvents,
    subject: 'pool.*',
    limit: options.limit ?? DEFAULT_LIMIT,
    cursor: options.cursor,
    scan: DEFAULT_SCAN,
    read: (message) => {
      if (kinds !== undefined && !kinds.includes(kindOf(message.subject))) return [null]
      const event = readEvent(message.subject, message.string())
      const wanted = event && (pool === undefined || event.pool === pool)
      return [wanted ? { ...event, sequence: message.seq } : null]
    },
  })
}

/** Reads from the stream of events with a consumer of that name. */
export async function* readPoolEvents(
  nc: NatsConnection,
  durable: string,
  options: PoolEventOptions,
): AsyncGenerator<PoolChange, void, void> {
  const kinds = options.kinds ?? ['unhealthy', 'recovered']
  const manager = await jetstreamManager(nc)
  await manager.consumers.add(STREAMS.poolEvents, {
    durable_name: durable,
    filter_subjects: kinds.map((kind) => BY_KIND[kind]),
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
  })
  if (options.signal?.aborted) return
  const consumer = await jetstream(nc).consumers.get(STREAMS.poolEvents, durable)
  // Few at a time: what is prefetched is kept from other readers of the same name.
  const messages = await consumer.consume({ max_messages: 10 })
  using _abort = onAbort(options.signal, () => messages.stop())
  try {
    for await (const message of messages) {
      const event = readEvent(message.subject, message.string())
      if (event) yield event
      message.ack()
    }
  } finally {
    await messages.close()
  }
}
