// pool.unhealthy and pool.recovered as the broker stores them: read once here, however many listen.
import {
  type ConsumerMessages,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  type StoredMsg,
} from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { isNothing, type Logger } from '@poolmesh/bus'
import { recentPoolEvents, type StoredPoolChange } from '@poolmesh/client'
import { poolEventSchema, STREAMS, SUBJECTS } from '@poolmesh/types'

const KINDS = ['unhealthy', 'recovered'] as const

export type Alert = StoredPoolChange & { kind: (typeof KINDS)[number] }

const KEPT = 200
const FILTERS = [SUBJECTS.poolUnhealthy, SUBJECTS.poolRecovered]
const AGAIN_MS = 1_000
/** More than a listener is given at once when it comes back. */
const MAX_REPLAYED = 1_000

function alertOf(message: { subject: string; seq: number; data: Uint8Array }): Alert | null {
  const kind =
    message.subject === SUBJECTS.poolUnhealthy
      ? 'unhealthy'
      : message.subject === SUBJECTS.poolRecovered
        ? 'recovered'
        : null
  if (kind === null) return null
  try {
    const event = poolEventSchema.safeParse(JSON.parse(Buffer.from(message.data).toString()))
    return event.success ? { ...event.data, kind, sequence: message.seq } : null
  } catch {
    return null
  }
}

export class Alerts implements AsyncDisposable {
  readonly #nc: NatsConnection
  readonly #jsm: JetStreamManager
  readonly #heard: (alert: Alert) => void
  readonly #log: Logger
  /** Oldest first. */
  readonly #kept: Alert[] = []
  #messages: ConsumerMessages | null = null
  #closed = false
  /** The sequence of the last event that was read, whatever it is. */
  sequence = 0

  private constructor(nc: NatsConnection, jsm: JetStreamManager, heard: (alert: Alert) => void, log: Logger) {
    this.#nc = nc
    this.#jsm = jsm
    this.#heard = heard
    this.#log = log
  }

  /** @param heard called with each that comes from now on */
  static async open(nc: NatsConnection, heard: (alert: Alert) => void, log: Logger): Promise<Alerts> {
    const jsm = await jetstreamManager(nc, { checkAPI: false })
    const alerts = new Alerts(nc, jsm, heard, log)
    const { state } = await jsm.streams.info(STREAMS.poolEvents)
    alerts.sequence = state.last_seq
    const page = await alerts.list({}, KEPT, undefined)
    alerts.#kept.push(...page.items.filter(({ sequence }) => sequence <= state.last_seq).toReversed())
    void alerts.#follow()
    return alerts
  }

  /** With a consumer of its own in the broker, made anew when that is gone: none is missed while events are kept. */
  async #follow(): Promise<void> {
    while (!this.#closed) {
      try {
        const consumer = await jetstream(this.#nc).consumers.get(STREAMS.poolEvents, {
          filter_subjects: FILTERS,
          opt_start_seq: this.sequence + 1,
        })
        this.#messages = await consumer.consume()
        if (this.#closed) break
        for await (const message of this.#messages) this.#take(message)
      } catch (error) {
        if (this.#closed) break
        this.#log.warn({ reason: (error as Error).message }, 'alerts cannot be read now, trying again')
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS).unref())
    }
    await this.#messages?.close()
  }

  #take(message: { subject: string; seq: number; data: Uint8Array }): void {
    if (message.seq <= this.sequence) return
    this.sequence = message.seq
    const alert = alertOf(message)
    if (!alert) return
    this.#kept.push(alert)
    if (this.#kept.length > KEPT) this.#kept.shift()
    this.#heard(alert)
  }

  /** The last that were heard, oldest first. */
  get kept(): readonly Alert[] {
    return this.#kept
  }

  /** Newest first. */
  latest(count: number): Alert[] {
    return this.#kept.slice(-count).toReversed()
  }

  /** Newest first, one page. @throws PoolmeshError INVALID_INPUT, UNAVAILABLE */
  async list(
    filter: { pool?: string | undefined },
    limit: number,
    cursor: string | undefined,
  ): Promise<{ items: Alert[]; next: string | null }> {
    const { pool } = filter
    const { items, cursor: next } = await recentPoolEvents(this.#nc, { kinds: KINDS, pool, limit, cursor })
    return { items: items as Alert[], next }
  }

  /** Those behind a sequence, oldest first; null: there are more than {@link MAX_REPLAYED}, or some are gone. */
  async since(sequence: number): Promise<Alert[] | null> {
    const { state } = await this.#jsm.streams.info(STREAMS.poolEvents)
    if (sequence > state.last_seq || (state.messages > 0 && sequence + 1 < state.first_seq)) return null
    const found: Alert[] = []
    for (const subject of FILTERS) {
      const messages = await this.#read(subject, sequence + 1)
      if (messages === null) return null
      for (const message of messages) {
        const alert = alertOf(message)
        if (alert) found.push(alert)
      }
    }
    return found.length > MAX_REPLAYED ? null : found.sort((a, b) => a.sequence - b.sequence)
  }

  async #read(subject: string, from: number): Promise<StoredMsg[] | null> {
    const found: StoredMsg[] = []
    try {
      const batch = await this.#jsm.direct.getBatch(STREAMS.poolEvents, {
        seq: from,
        next_by_subj: subject,
        batch: MAX_REPLAYED + 1,
      })
      for await (const message of batch) found.push(message)
    } catch (error) {
      if (!isNothing(error)) throw error
    }
    return found.length > MAX_REPLAYED || (found.at(-1)?.pending ?? 0) > 0 ? null : found
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    await this.#messages?.close()
  }
}
