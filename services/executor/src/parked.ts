// Tasks that are stored away and come back: when a pool fits, or by their schedule (docs/decisions/0002-parking.md).
import { createHash } from 'node:crypto'
import { type JetStreamManager, jetstreamManager, type StoredMsg } from '@nats-io/jetstream'
import { headers, type NatsConnection } from '@nats-io/transport-node'
import { isNothing, type Publisher, STREAM_FULL, type TaskMessage, WRONG_LAST_SEQUENCE } from '@poolmesh/bus'
import type { Batch, TaskEngine } from '@poolmesh/core'
import { type DistributedTask, HEADERS, type PriorityLane, STREAMS } from '@poolmesh/types'
import type { Logger } from 'pino'
import type { Held } from './held.ts'
import { StoredMessage } from './stored-message.ts'

/** Subject token of tasks that no signature brings back, only time. */
const BY_TIME = 'later'
const ALL = 'task.parked.>'
const SCHEDULE = 'Nats-Schedule'
const AT = '@at '
const RETRY_MS = 500
const PAGE = 512
const PAGE_BYTES = 8 * 1024 ** 2
/** Later than this, the broker has forgotten the schedule. */
const OVERDUE_MS = 3_000

export interface ParkedOptions {
  engine: () => TaskEngine<Held>
  publisher: Publisher
  /** @returns false: this executor does not dispatch, or has no room */
  takeDirectly(message: TaskMessage, id: string, lane: PriorityLane): boolean
  log: Logger
}

/** A signature as one subject token. */
const signatureToken = (key: string): string => createHash('sha256').update(key).digest('hex').slice(0, 20)

/** How a parked batch came back: stored in its lane, or in hand from where it is; not at all where there is no room. */
type Move = 'copied' | 'taken' | 'stays'

export class ParkedTasks {
  readonly #jsm: JetStreamManager
  readonly #options: ParkedOptions
  /** Sequence where the next sweep begins. */
  #sweepAt = 1
  #sweeping = false
  #stopped = false

  private constructor(jsm: JetStreamManager, options: ParkedOptions) {
    this.#jsm = jsm
    this.#options = options
  }

  static async open(nc: NatsConnection, options: ParkedOptions): Promise<ParkedTasks> {
    return new ParkedTasks(await jetstreamManager(nc), options)
  }

  /** See EnginePorts.park: a scheduled message that returns to its lane by itself at `wakeAt`. */
  park(batch: Batch<Held>, tasks: DistributedTask[], signatureKey: string | null, wakeAt: number): void {
    const { handle } = batch
    const token = signatureKey === null ? BY_TIME : signatureToken(signatureKey)
    const h = headers()
    h.set(SCHEDULE, `${AT}${new Date(Math.max(wakeAt, Date.now() + 1_000)).toISOString()}`)
    h.set('Nats-Schedule-Target', `task.submitted.${batch.lane}-back.${batch.id}`)
    h.set(HEADERS.submitted, String(batch.submittedAt))
    if (handle.notify) h.set(HEADERS.notify, handle.notify)
    if (handle.resultSubject.startsWith('task.branch.')) h.set(HEADERS.parent, '1')
    const body = JSON.stringify(handle.alone ? tasks[0] : tasks)
    this.#options.publisher.publish(`task.parked.${token}.${batch.lane}.${batch.id}`, body, h, (outcome) => {
      const full = outcome.kind === 'refused' && STREAM_FULL.has(outcome.code)
      if (outcome.kind !== 'stored' && !full)
        this.#options.log.warn({ batch: batch.id, outcome }, 'could not be parked')
      this.#options.engine().parking.parked(batch, signatureKey, outcome.kind === 'stored')
    })
  }

  /** See EnginePorts.retrieve: back into the lane first, and only then out of the parked, so that nothing is lost. */
  async retrieve(signatureKey: string, atMost: number): Promise<void> {
    let count: number | null = null
    try {
      count = await this.#retrieve(`task.parked.${signatureToken(signatureKey)}.>`, atMost)
    } catch (error) {
      this.#options.log.warn({ err: error }, 'parked tasks cannot be read now')
    }
    if (count === null) await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    if (!this.#stopped) this.#options.engine().parking.retrieved(signatureKey, count)
  }

  /** @returns how many came back, 0 where there are none; null: some are there and stay for now */
  async #retrieve(filter: string, atMost: number): Promise<number | null> {
    let from = 1
    for (;;) {
      const page = await this.#page(filter, from, atMost)
      const last = page.at(-1)
      if (!last) return from === 1 ? 0 : null
      const waiting = page.filter((message) => !this.#isInHand(message))
      const moves = await Promise.all(waiting.map((message) => this.#bringBack(message)))
      const copied = waiting.filter((_, i) => moves[i] === 'copied')
      if (copied.length === page.length && from === 1) await this.#removeUpTo(filter, last.seq)
      else await Promise.all(copied.map((message) => this.#remove(message)))
      const moved = moves.filter((move) => move !== 'stays').length
      if (moved > 0) return moved
      if (moves.length > 0) return null
      from = last.seq + 1
    }
  }

  async #page(filter: string, from: number, atMost: number): Promise<StoredMsg[]> {
    const messages: StoredMsg[] = []
    try {
      const query = { seq: from, next_by_subj: filter, batch: atMost, max_bytes: PAGE_BYTES }
      for await (const message of await this.#jsm.direct.getBatch(STREAMS.tasks, query))
        messages.push(message)
    } catch (error) {
      if (!isNothing(error)) throw error
    }
    return messages
  }

  /** Taken directly before, so that it lies here until its tasks have ended. */
  #isInHand({ subject, seq }: StoredMsg): boolean {
    return this.#options.engine().holds(addressOf(subject).id)?.handle.message.sequence === seq
  }

  async #bringBack(message: StoredMsg): Promise<Move> {
    const { lane, id } = addressOf(message.subject)
    const h = headers()
    h.set(HEADERS.expectedLastSubjectSequence, '0')
    for (const name of [HEADERS.submitted, HEADERS.notify, HEADERS.parent])
      if (message.header?.has(name)) h.set(name, message.header.get(name))
    const outcome = await this.#options.publisher.store(`task.submitted.${lane}-back.${id}`, message.data, h)
    if (outcome.kind === 'refused' && STREAM_FULL.has(outcome.code)) return this.#takeDirectly(message)
    // Refused because it is back already: what is parked is a left-over.
    const isBack =
      outcome.kind === 'stored' || (outcome.kind === 'refused' && WRONG_LAST_SEQUENCE.has(outcome.code))
    return isBack ? 'copied' : 'stays'
  }

  /** All of a signature up to there: one request in place of hundreds. Meanwhile nothing of it is parked. */
  async #removeUpTo(filter: string, sequence: number): Promise<void> {
    await this.#jsm.streams.purge(STREAMS.tasks, { filter, seq: sequence + 1 }).catch(() => {})
  }

  async #remove(message: StoredMsg): Promise<void> {
    await this.#jsm.streams.deleteMessage(STREAMS.tasks, message.seq, false).catch(() => {})
  }

  #takeDirectly(message: StoredMsg): Move {
    const { lane, id } = addressOf(message.subject)
    return this.#options.takeDirectly(new StoredMessage(this.#jsm, message), id, lane) ? 'taken' : 'stays'
  }

  /** What is parked already when an executor takes over: one task of each signature says what it requires. */
  async recall(known: (task: DistributedTask) => void): Promise<void> {
    const info = await this.#jsm.streams.info(STREAMS.tasks, { subjects_filter: ALL })
    const tokens = new Set(
      Object.keys(info.state.subjects ?? {}).map((subject) => subject.split('.')[2] as string),
    )
    tokens.delete(BY_TIME)
    for (const token of tokens) {
      const message = await this.#jsm.direct.getMessage(STREAMS.tasks, {
        seq: 1,
        next_by_subj: `task.parked.${token}.>`,
      })
      if (!message) continue
      const body: unknown = message.json()
      known((Array.isArray(body) ? body[0] : body) as DistributedTask)
    }
  }

  /**
   * Looks through some of what is parked for what should have come back by itself. Call it every second or so: nats-server
   * (2.14) forgets a schedule that comes due while the stream is full, until it is restarted.
   */
  async sweep(): Promise<void> {
    if (this.#sweeping) return
    this.#sweeping = true
    try {
      const page = await this.#page(ALL, this.#sweepAt, PAGE)
      const late = Date.now() - OVERDUE_MS
      for (const message of page) {
        this.#sweepAt = message.seq
        if (dueAt(message) > late || this.#isInHand(message)) continue
        if (this.#takeDirectly(message) === 'stays') return
      }
      const last = page.at(-1)
      this.#sweepAt = last ? last.seq + 1 : 1
    } catch (error) {
      this.#options.log.warn({ err: error }, 'parked tasks cannot be read now')
    } finally {
      this.#sweeping = false
    }
  }

  stop(): void {
    this.#stopped = true
  }
}

/** `task.parked.<token>.<lane>.<id>` */
function addressOf(subject: string): { lane: PriorityLane; id: string } {
  const [, , , lane, id] = subject.split('.')
  return { lane: lane as PriorityLane, id: id as string }
}

const dueAt = (message: StoredMsg): number =>
  Date.parse(message.header?.get(SCHEDULE)?.slice(AT.length) ?? '') || Number.POSITIVE_INFINITY
