// The consumers of the lanes belong to the executor that dispatches: it makes its own and deletes its predecessor's. That
// delivers at once whatever the predecessor had not acknowledged, and ends the predecessor's pulls, should it live: what
// it says of a message goes nowhere.
import { AckPolicy, type JetStreamManager } from '@nats-io/jetstream'
import { nanos } from '@nats-io/transport-node'
import { BUCKETS, LANES, type PriorityLane, STREAMS } from '@poolmesh/types'
import type { Publisher } from './publisher.ts'
import { FANOUT_CONSUMER } from './topology.ts'

/** A lane, or what comes back into it from having been parked. */
type Feed = PriorityLane | `${PriorityLane}-back`

export interface LaneConsumer {
  lane: PriorityLane
  name: string
  /** Sequence of the last message that a predecessor was given. */
  deliveredBefore: number
  /** How many of those it had not acknowledged. */
  openBefore: number
}

const PREFIX = 'lane-'
/** An acknowledgement that got lost is made up for after this; nobody else is waiting for the message. */
const ACK_WAIT_MS = 60_000
/** Another executor may be making its own: it or we will find out by the lease. */
const TRIES = 5

const subjectOf = (feed: Feed): string => `task.submitted.${feed}.*`

/** Consumers of lanes, of whichever executor. */
export async function laneConsumers(
  jsm: JetStreamManager,
): Promise<{ name: string; subject: string; delivered: number; open: number; pending: number }[]> {
  const found = []
  for await (const info of jsm.consumers.list(STREAMS.tasks))
    if (info.name.startsWith(PREFIX) && info.name !== FANOUT_CONSUMER)
      found.push({
        name: info.name,
        subject: info.config.filter_subject ?? '',
        delivered: info.delivered.stream_seq,
        open: info.num_ack_pending,
        pending: info.num_pending,
      })
  return found
}

/** How far a lane was delivered, and how much of that was not acknowledged. */
interface Reached {
  delivered: number
  open: number
}

const KEY = `$KV.${BUCKETS.executors}.lanes`

/**
 * Makes consumers of our own in place of all others. What they had delivered is written down before they go: whoever takes
 * over from us before all of that has come here again finds our consumers, which know nothing of it.
 * @param token part of their names, never used before
 * @throws Error where that cannot be done now
 */
export async function takeOverLanes(
  jsm: JetStreamManager,
  publisher: Publisher,
  token: string,
): Promise<LaneConsumer[]> {
  const before = await readReached(jsm)
  for (let tries = 1; ; tries++) {
    const others = await laneConsumers(jsm)
    for (const { subject, delivered, open } of others) {
      const known = before.get(subject)
      if (!known || delivered >= known.delivered) before.set(subject, { delivered, open })
    }
    await writeReached(publisher, before)
    await Promise.all(others.map(({ name }) => jsm.consumers.delete(STREAMS.tasks, name).catch(() => false)))
    try {
      return await Promise.all(
        LANES.flatMap((lane) =>
          [`${lane}-back` as const, lane].map((feed) => make(jsm, lane, feed, token, before)),
        ),
      )
    } catch (error) {
      if (tries === TRIES) throw error
    }
  }
}

async function readReached(jsm: JetStreamManager): Promise<Map<string, Reached>> {
  const stored = await jsm.direct
    .getMessage(`KV_${BUCKETS.executors}`, { last_by_subj: KEY })
    .catch((error: Error) => {
      if (/no message|not found/i.test(error.message)) return null
      throw error
    })
  return new Map(stored ? stored.json<[string, Reached][]>() : [])
}

async function writeReached(publisher: Publisher, reached: ReadonlyMap<string, Reached>): Promise<void> {
  const outcome = await publisher.store(KEY, JSON.stringify([...reached]))
  if (outcome.kind !== 'stored') throw new Error(`the state of the lanes is not stored: ${outcome.message}`)
}

async function make(
  jsm: JetStreamManager,
  lane: PriorityLane,
  feed: Feed,
  token: string,
  before: ReadonlyMap<string, Reached>,
): Promise<LaneConsumer> {
  const name = `${PREFIX}${feed}-${token}`
  const subject = subjectOf(feed)
  await jsm.consumers.add(STREAMS.tasks, {
    durable_name: name,
    filter_subject: subject,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(ACK_WAIT_MS),
    max_ack_pending: 1_000_000,
    max_deliver: -1,
  })
  const known = before.get(subject)
  return { lane, name, deliveredBefore: known?.delivered ?? 0, openBefore: known?.open ?? 0 }
}
