// The consumers of the lanes belong to the executor that dispatches: it makes its own and deletes its predecessor's. That
// delivers at once whatever the predecessor had not acknowledged, and ends the predecessor's pulls, should it live: what
// it says of a message goes nowhere.
import { setTimeout as pause } from 'node:timers/promises'
import {
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
} from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { BUCKETS, type PriorityLane, STREAMS } from '@poolmesh/types'
import { type ConsumerSettings, consumer, FANOUT_CONSUMER, FEEDS, type Feed } from './definitions.ts'
import type { Publisher } from './publisher.ts'
import { isNothing, readKey } from './stored-results.ts'

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
/** A consumer without a leader is elected one in 4 to 9 s, and answers nothing until then; it is asked again. */
const REQUEST_MS = 3_000
const LIMIT_MS = 30_000
const AGAIN_MS = 100
/** The server takes a consumer off its list at once. The answer to that comes from the consumer's leader, where it has one. */
const DELETE_MS = 500

const subjectOf = (feed: Feed): string => `task.submitted.${feed}.*`

/** Consumers of lanes, of whichever executor. In a cluster those without a leader are missing. */
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

/** More than a lane can have: whoever waits for them waits for as long as it ever does. JSON has no infinity. */
const UNKNOWN = Number.MAX_VALUE

const KEY = `$KV.${BUCKETS.executors}.lanes`

/**
 * Makes consumers of our own in place of all others. What they had delivered is written down before they go: whoever takes
 * over from us before all of that has come here again finds our consumers, which know nothing of it.
 *
 * In a cluster that has just lost a server a consumer may be without a leader for seconds, an old one as well as one that
 * was made now. What an old one had delivered is then not known, so that it may be everything; a new one is waited for,
 * since the next one would take as long.
 * @param token part of their names, never used before
 * @param wanted false once another has the lanes
 * @throws Error where that cannot be done now
 */
export async function takeOverLanes(
  nc: NatsConnection,
  publisher: Publisher,
  token: string,
  wanted: () => boolean,
): Promise<LaneConsumer[]> {
  const jsm = await jetstreamManager(nc, { timeout: REQUEST_MS, checkAPI: false })
  const feeds = FEEDS.map(({ lane, feed }) => ({ lane, feed, name: nameOf(feed, token) }))
  const missing = new Set(feeds)
  const end = performance.now() + LIMIT_MS
  let before: Map<string, Reached> | null = null
  for (;;) {
    if (!wanted()) throw new Error('another executor has the lanes')
    try {
      before ??= await readReached(jsm)
      await removeOthers(nc, jsm, publisher, token, before)
      const made = await Promise.allSettled(
        [...missing].map(async (one) => {
          await make(jsm, one.feed, one.name)
          missing.delete(one)
        }),
      )
      for (const one of made) if (one.status === 'rejected') throw one.reason
      const reached = before
      return feeds.map(({ lane, feed, name }) => {
        const known = reached.get(subjectOf(feed))
        return { lane, name, deliveredBefore: known?.delivered ?? 0, openBefore: known?.open ?? 0 }
      })
    } catch (error) {
      if (performance.now() > end) throw error
    }
    await pause(AGAIN_MS)
  }
}

/** Whether the server knows for sure that there is no such consumer, rather than that nobody leads it at the moment. */
export async function isConsumerGone(jsm: JetStreamManager, stream: string, name: string): Promise<boolean> {
  try {
    await jsm.consumers.info(stream, name)
    return false
  } catch (error) {
    return error instanceof JetStreamApiError && error.code === JetStreamApiCodes.ConsumerNotFound
  }
}

/** @param name of a consumer of whichever executor. @returns null: it is none of a lane */
export function feedOfConsumer(name: string): Feed | null {
  const feed = name.slice(PREFIX.length, name.lastIndexOf('-'))
  return name.startsWith(PREFIX) ? (FEEDS.find((known) => known.feed === feed)?.feed ?? null) : null
}

export const laneConsumer = (feed: Feed, name: string): ConsumerSettings =>
  consumer(name, subjectOf(feed), ACK_WAIT_MS)

const nameOf = (feed: Feed, token: string): string => `${PREFIX}${feed}-${token}`

async function removeOthers(
  nc: NatsConnection,
  jsm: JetStreamManager,
  publisher: Publisher,
  token: string,
  before: Map<string, Reached>,
): Promise<void> {
  const others = await namesOfOthers(nc, token)
  if (others.length === 0) return
  await Promise.all(
    others.map(async (name) => {
      const { subject, ...reached } = await reachedBy(jsm, name)
      const known = before.get(subject)
      if (!known || reached.delivered >= known.delivered) before.set(subject, reached)
    }),
  )
  await writeReached(publisher, before)
  const deleted = Promise.all(
    others.map((name) => jsm.consumers.delete(STREAMS.tasks, name).catch(() => false)),
  )
  await Promise.race([deleted, pause(DELETE_MS, undefined, { ref: false })])
}

/** By the list of those that were assigned: the lister of the client leaves out what has no leader. */
async function namesOfOthers(nc: NatsConnection, token: string): Promise<string[]> {
  const answer = await nc.request(`$JS.API.CONSUMER.NAMES.${STREAMS.tasks}`, '', { timeout: REQUEST_MS })
  const body = answer.json<{ consumers?: string[]; error?: { description: string } }>()
  if (body.error) throw new Error(`the consumers of the lanes cannot be listed: ${body.error.description}`)
  return (body.consumers ?? []).filter(
    (name) => name.startsWith(PREFIX) && name !== FANOUT_CONSUMER && !name.endsWith(`-${token}`),
  )
}

async function reachedBy(jsm: JetStreamManager, name: string): Promise<Reached & { subject: string }> {
  const subject = subjectOf(name.slice(PREFIX.length, name.lastIndexOf('-')) as Feed)
  try {
    const { delivered, num_ack_pending: open } = await jsm.consumers.info(STREAMS.tasks, name)
    return { subject, delivered: delivered.stream_seq, open }
  } catch (error) {
    if (isNothing(error)) return { subject, delivered: 0, open: 0 }
    const { state } = await jsm.streams.info(STREAMS.tasks)
    return { subject, delivered: state.last_seq, open: UNKNOWN }
  }
}

async function readReached(jsm: JetStreamManager): Promise<Map<string, Reached>> {
  const stored = await readKey(jsm, BUCKETS.executors, 'lanes')
  return new Map(stored ? stored.json<[string, Reached][]>() : [])
}

async function writeReached(publisher: Publisher, reached: ReadonlyMap<string, Reached>): Promise<void> {
  const outcome = await publisher.store(KEY, JSON.stringify([...reached]))
  if (outcome.kind !== 'stored') throw new Error(`the state of the lanes is not stored: ${outcome.message}`)
}

async function make(jsm: JetStreamManager, feed: Feed, name: string): Promise<void> {
  try {
    await jsm.consumers.add(STREAMS.tasks, laneConsumer(feed, name))
  } catch (error) {
    // The answer may have got lost, or come to whoever asked before us.
    const isThere = await jsm.consumers.info(STREAMS.tasks, name).then(
      () => true,
      () => false,
    )
    if (!isThere) throw error
  }
}
