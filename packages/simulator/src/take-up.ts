// Mirrors services/executor/src/take-up.ts: batches from the lanes into the engine, compared with what is stored already.
import { LANES, type PriorityLane } from '@poolmesh/types'
import { type Flow, until } from './flow.ts'
import type { Delivery } from './lane.ts'
import type { Reply } from './network.ts'
import { handBack, Puller } from './puller.ts'
import { notifyTopic, resultSubject, type Wiring } from './wiring.ts'

const CALL_MS = 5_000
const TRIES = 5
/** Consumers that are no lane's. */
const SHARED = new Set(['fanout', 'intake'])

/** How far a lane was delivered, and how much of that was not acknowledged. */
interface Reached {
  delivered: number
  open: number
}

const REACHED_KEY = 'lanes'

export interface TakenLane {
  lane: PriorityLane
  name: string
  deliveredBefore: number
  openBefore: number
}

/** Mirrors packages/bus/src/lane-consumers.ts: makes consumers of its own in place of all others; null where that fails. */
export function* takeOverLanes({ connection }: Wiring, token: string): Flow<TakenLane[] | null> {
  const { broker } = connection
  const call = <T>(atBroker: () => T): Flow<Reply<T>> =>
    until<Reply<T>>((resume) => connection.call(atBroker, CALL_MS, resume))
  const read = yield* call(() => broker.store.read(REACHED_KEY).value as [string, Reached][] | null)
  if (read.kind !== 'reply') return null
  const before = new Map(read.value)
  for (let tries = 0; tries < TRIES; tries++) {
    const others = yield* call(() =>
      [...broker.consumers.values()]
        .filter(({ feed }) => !SHARED.has(feed))
        .map(({ name, feed, delivered, open }) => ({ name, feed, delivered, open })),
    )
    if (others.kind !== 'reply') return null
    for (const { feed, delivered, open } of others.value)
      if (delivered >= (before.get(feed)?.delivered ?? 0)) before.set(feed, { delivered, open })
    const reached = [...before]
    const written = yield* call(() => broker.store.write(REACHED_KEY, reached, null))
    if (written.kind !== 'reply') return null
    for (const { name } of others.value) yield* call(() => broker.deleteConsumer(name))
    const lanes: TakenLane[] = []
    for (const lane of LANES)
      for (const feed of [`${lane}-back`, lane]) {
        const name = `${feed}-${token}`
        const made = yield* call(() => broker.addConsumer(name, feed))
        if (made.kind !== 'reply') return null
        const known = before.get(feed)
        if (made.value)
          lanes.push({ lane, name, deliveredBefore: known?.delivered ?? 0, openBefore: known?.open ?? 0 })
      }
    if (lanes.length === 2 * LANES.length) return lanes
  }
  return null
}

export class TakeUp {
  readonly #wiring: Wiring
  readonly #pullers: Puller[]
  readonly #onRecovered: () => void
  readonly #onMissing: () => void
  /** The last sequence of each lane. */
  readonly #highest = new Map<string, number>()
  #over = false
  #looking = 0
  #missing: number

  constructor(wiring: Wiring, lanes: TakenLane[], onRecovered: () => void, onMissing: () => void) {
    this.#wiring = wiring
    this.#onRecovered = onRecovered
    this.#onMissing = onMissing
    this.#missing = lanes.reduce((sum, { openBefore }) => sum + openBefore, 0)
    this.#pullers = lanes.map(
      (lane) =>
        new Puller(wiring.connection, wiring.process, {
          consumer: lane.name,
          room: () => wiring.engine().room(lane.lane) - this.#looking,
          onMessage: (delivery) => this.#receive(lane, delivery),
          onMissing: () => this.#onMissing(),
        }),
    )
    this.#whenRecovered()
  }

  #whenRecovered(): void {
    if (this.#missing > 0 || this.#looking > 0) return
    this.#missing = Number.POSITIVE_INFINITY
    this.#onRecovered()
  }

  nudge(): void {
    for (const puller of this.#pullers) puller.nudge()
  }

  reset(): void {
    for (const puller of this.#pullers) puller.reset()
  }

  #receive(lane: TakenLane, delivery: Delivery): void {
    const handedOver = delivery.deliveries > 1 || delivery.message.sequence <= lane.deliveredBefore
    if (handedOver && delivery.deliveries === 1) this.#missing--
    this.#lookBack(lane, delivery)
    this.#take(lane, delivery, handedOver)
    this.#whenRecovered()
  }

  /** Where a sequence comes that was there before, the broker has lost the last messages with its power. */
  #lookBack(lane: TakenLane, { message, deliveries }: Delivery): void {
    const before = this.#highest.get(lane.name) ?? 0
    this.#highest.set(lane.name, Math.max(before, message.sequence))
    if (message.sequence > before) return
    for (const { id, handle } of this.#wiring.engine().batches()) {
      const held = handle.delivery.message.sequence
      const isAnother = held === message.sequence && id !== message.id
      if (isAnother || (deliveries === 1 && held > message.sequence)) handle.isGone = true
    }
  }

  #take({ lane }: TakenLane, delivery: Delivery, handedOver: boolean): void {
    const { connection } = this.#wiring
    const { message } = delivery
    if (this.#again(delivery)) return
    // Ids that the client makes up have no stored result at a first delivery, so they are not looked up.
    if (!handedOver && message.id.startsWith('pm_') && message.parent === null && !message.again) {
      this.#accept(lane, delivery, false, { results: [], lastSequence: 0 })
      return
    }
    this.#looking++
    const { broker } = connection
    connection.call(
      () => broker.store.under(resultSubject(message)),
      CALL_MS,
      (reply) => {
        this.#looking--
        if (!this.#over) {
          if (reply.kind === 'reply') this.#accept(lane, delivery, handedOver, reply.value)
          else handBack(connection, delivery, 500)
        }
        this.#whenRecovered()
      },
    )
  }

  /** Held already: the newer delivery is the one to acknowledge, and a second submission is no other task. */
  #again(delivery: Delivery): boolean {
    const handle = this.#wiring.engine().holds(delivery.message.id)?.handle
    if (!handle) return false
    const { sequence } = delivery.message
    const other = handle.others.findIndex(({ message }) => message.sequence === sequence)
    if (handle.delivery.message.sequence === sequence && !handle.isGone) handle.delivery = delivery
    else if (other >= 0) handle.others[other] = delivery
    else handle.others.push(delivery)
    return true
  }

  #accept(
    lane: PriorityLane,
    delivery: Delivery,
    handedOver: boolean,
    stored: ReturnType<Wiring['connection']['broker']['store']['under']>,
  ): void {
    if (this.#again(delivery)) return
    const { connection, engine, process } = this.#wiring
    const { message } = delivery
    const notify = notifyTopic(message)
    if (stored.results.length > 0) connection.publish(notify, stored.results)
    engine().accept(
      {
        id: message.id,
        handle: {
          delivery,
          others: [],
          isGone: false,
          isDoubtful: false,
          alone: message.alone,
          notify,
          subject: resultSubject(message),
        },
        lane,
        tasks: [...message.tasks],
        failed: [],
        submittedAt: message.submittedAt,
        bytes: 1_000,
        stored: stored.results,
        lastSequence: stored.lastSequence,
        handedOver,
      },
      handedOver ? process.wall() : message.submittedAt,
    )
  }

  /** Takes nothing more; what still comes is handed back. */
  stop(): void {
    for (const puller of this.#pullers) puller.stop()
  }

  dispose(): void {
    this.stop()
    this.#over = true
    this.#missing = Number.POSITIVE_INFINITY
  }
}
