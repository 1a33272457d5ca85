// Events from a position that the broker keeps: what is not acknowledged comes again, after a restart too.
import {
  AckPolicy,
  type Consumer,
  type ConsumerMessages,
  DeliverPolicy,
  type JsMsg,
  jetstream,
  jetstreamManager,
} from '@nats-io/jetstream'
import { type DistributedPoolSystem, PoolmeshError } from '@poolmesh/client'
import { STREAMS, SUBJECTS } from '@poolmesh/types'

/** Events in hand at most, which bounds a request too. */
const MAX_EVENTS = 100
const ACK_WAIT_MS = 10_000
const KEEP_MS = 3_000
const WAIT_MS = 5_000
/** Shorter is not for the broker. */
const LEAST_WAIT_MS = 1_000

export class EventPosition {
  readonly #consumer: Consumer
  readonly #signal: AbortSignal

  private constructor(consumer: Consumer, signal: AbortSignal) {
    this.#consumer = consumer
    this.#signal = signal
  }

  /** A name that is new begins with what comes from now on. @throws PoolmeshError UNAVAILABLE */
  static async open(
    { connection }: DistributedPoolSystem,
    name: string,
    signal: AbortSignal,
  ): Promise<EventPosition> {
    try {
      const { consumers } = await jetstreamManager(connection)
      const known = await consumers.info(STREAMS.poolEvents, name).catch(() => null)
      if (!known)
        await consumers.add(STREAMS.poolEvents, {
          durable_name: name,
          filter_subjects: [SUBJECTS.poolUnhealthy, SUBJECTS.poolRecovered],
          ack_policy: AckPolicy.Explicit,
          ack_wait: ACK_WAIT_MS * 1_000_000,
          deliver_policy: DeliverPolicy.New,
        })
      return new EventPosition(await jetstream(connection).consumers.get(STREAMS.poolEvents, name), signal)
    } catch (cause) {
      const message = `the events of pools cannot be read: ${(cause as Error).message}`
      throw new PoolmeshError('UNAVAILABLE', message, [], { cause })
    }
  }

  /** Waits for an event, and takes what else comes within the window. Empty: nothing came, or the signal has aborted. */
  async take(windowMs: number): Promise<JsMsg[]> {
    const first = await this.#fetch(1, WAIT_MS)
    if (first.length === 0 || windowMs === 0) return first
    using _ = keep(first)
    return [...first, ...(await this.#fetch(MAX_EVENTS - 1, Math.max(LEAST_WAIT_MS, windowMs)))]
  }

  async #fetch(count: number, waitMs: number): Promise<JsMsg[]> {
    if (this.#signal.aborted) return []
    const messages: ConsumerMessages = await this.#consumer.fetch({ max_messages: count, expires: waitMs })
    const stop = (): void => messages.stop()
    this.#signal.addEventListener('abort', stop)
    const taken: JsMsg[] = []
    using _ = keep(taken)
    try {
      for await (const message of messages) taken.push(message)
    } finally {
      this.#signal.removeEventListener('abort', stop)
    }
    return taken
  }
}

/** Tells the broker that they are in hand, until disposed. */
export function keep(messages: readonly JsMsg[]): Disposable {
  const timer = setInterval(() => {
    for (const message of messages) message.working()
  }, KEEP_MS)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
