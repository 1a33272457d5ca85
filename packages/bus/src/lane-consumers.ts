// The consumers of the lanes belong to the executor that dispatches: it makes its own and deletes its predecessor's. That
// delivers at once whatever the predecessor had not acknowledged, and ends the predecessor's pulls, should it live: what
// it says of a message goes nowhere.
import { AckPolicy, type JetStreamManager } from '@nats-io/jetstream'
import { nanos } from '@nats-io/transport-node'
import { LANES, type PriorityLane, STREAMS } from '@poolmesh/types'
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

/** Makes consumers of our own in place of all others. @param token part of their names, never used before */
export async function takeOverLanes(jsm: JetStreamManager, token: string): Promise<LaneConsumer[]> {
  const before = new Map<string, { delivered: number; open: number }>()
  for (let tries = 1; ; tries++) {
    const others = await laneConsumers(jsm)
    await Promise.all(
      others.map(async ({ name, subject, delivered, open }) => {
        await jsm.consumers.delete(STREAMS.tasks, name).catch(() => false)
        const known = before.get(subject)
        before.set(subject, {
          delivered: Math.max(delivered, known?.delivered ?? 0),
          open: Math.max(open, known?.open ?? 0),
        })
      }),
    )
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

async function make(
  jsm: JetStreamManager,
  lane: PriorityLane,
  feed: Feed,
  token: string,
  before: Map<string, { delivered: number; open: number }>,
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
