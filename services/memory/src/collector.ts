// Brings results to one destination: a durable consumer on RESULTS, read in rounds. Any number of processes share it.
import {
  AckPolicy,
  type Consumer,
  DeliverPolicy,
  type JsMsg,
  jetstream,
  jetstreamManager,
} from '@nats-io/jetstream'
import { type NatsConnection, nanos } from '@nats-io/transport-node'
import type { Logger, TellMetric } from '@poolmesh/bus'
import { completedSubject, STREAMS } from '@poolmesh/types'
import { Breaker } from './breaker.ts'
import type { Destination } from './destination.ts'
import { LeftOver } from './left-over.ts'
import { Trouble } from './tools.ts'
import { Work } from './work.ts'

/** Of a round: what is held in memory, and goes to others when this process dies. */
const MAX_MESSAGES = 200
const MAX_BYTES = 8 * 1024 * 1024
/** Messages of one request, each as large as the broker allows at most. */
const PAGE = 25
/** The shortest that a request for messages may take. */
const FETCH_MS = 1_000
/** After that long in silence what this process holds is given to another. */
const ACK_WAIT_MS = 15_000
/** Messages that are not acknowledged, over all processes; those that wait to be tried again count too. */
const MAX_UNSETTLED = 10_000

export interface CollectorOptions {
  nc: NatsConnection
  destination: Destination
  /** Milliseconds between two rounds. */
  intervalMs: number
  /** Hours that results are stored. */
  keptHours: number
  /** Begins nothing new when it aborts. */
  stopping: AbortSignal
  log: Logger
}

export class Collector implements AsyncDisposable {
  readonly #options: CollectorOptions
  readonly #consumer: Consumer
  readonly #leftOver: LeftOver
  readonly #breaker = new Breaker()
  readonly #counts = { stored: 0, refused: 0, given_up: 0 }
  /** ms since the epoch; null: not yet. */
  #syncedAt: number | null = null
  readonly #running: Promise<void>

  private constructor(options: CollectorOptions, consumer: Consumer, leftOver: LeftOver) {
    this.#options = options
    this.#consumer = consumer
    this.#leftOver = leftOver
    this.#running = this.#run()
  }

  /** Makes the consumer where there is none: it begins with what is stored. Then the first round. */
  static async start(options: CollectorOptions): Promise<Collector> {
    const { nc, destination, keptHours } = options
    const durable = `memory-${destination.source}`
    const jsm = await jetstreamManager(nc)
    await jsm.consumers.add(STREAMS.results, {
      durable_name: durable,
      filter_subject: completedSubject('*'),
      deliver_policy: DeliverPolicy.All,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(ACK_WAIT_MS),
      max_ack_pending: MAX_UNSETTLED,
      max_deliver: -1,
    })
    const consumer = await jetstream(nc).consumers.get(STREAMS.results, durable)
    return new Collector(options, consumer, await LeftOver.open(nc, destination.source, keptHours))
  }

  async #run(): Promise<void> {
    while (!this.#options.stopping.aborted) {
      let isMore = true
      while (isMore && !this.#options.stopping.aborted) isMore = await this.#round()
      const open = this.#breaker.waitMs(performance.now())
      await this.#pause(open > 0 ? open : this.#options.intervalMs)
    }
  }

  /** @returns whether there is more at once */
  async #round(): Promise<boolean> {
    const { destination, log } = this.#options
    // A server that did not answer gets one message to show that it does.
    const most = this.#breaker.failures > 0 ? 1 : MAX_MESSAGES
    let messages: JsMsg[] = []
    let works: Work[] = []
    try {
      messages = await this.#fetch(most)
      works = await Promise.all(messages.map((message) => Work.open(message, this.#leftOver)))
    } catch (error) {
      // Without the broker nothing is lost: it gives them again.
      this.#broke(`the results cannot be read: ${(error as Error).message}`)
      return false
    }
    if (works.length === 0) {
      this.#syncedAt = Date.now()
      return false
    }
    const keep = setInterval(() => {
      for (const work of works) work.working()
    }, ACK_WAIT_MS / 3)
    let trouble: string | null = null
    try {
      await destination.store(works, this.#options.stopping)
    } catch (error) {
      trouble = (error as Error).message
      if (!(error instanceof Trouble)) log.error({ err: error }, 'unexpected failure')
    }
    const accepted = works.reduce((sum, work) => sum + work.accepted, 0)
    const refused = works.reduce((sum, work) => sum + work.refusals, 0)
    this.#counts.stored += accepted
    this.#counts.refused += refused
    // A server that refuses everything is at fault, and not the results.
    if (trouble === null && accepted === 0 && refused > 0) trouble = 'it refuses everything'
    if (this.#options.stopping.aborted) trouble = null
    else if (trouble !== null) this.#broke(trouble)
    else this.#worked()
    const again = this.#options.stopping.aborted ? 0 : this.#breaker.waitMs(performance.now())
    const settled = await Promise.all(works.map((work) => work.settle(accepted > 0, again)))
    clearInterval(keep)
    this.#counts.given_up += settled.flat().length
    for (const { task_id, reason } of settled.flat())
      log.warn({ task_id, reason, destination: destination.source }, 'a result is refused and given up')
    if (accepted > 0) log.info({ destination: destination.source, stored: accepted, refused }, 'stored')
    const bytes = messages.reduce((sum, message) => sum + message.data.length, 0)
    return trouble === null && (messages.length >= most || bytes >= MAX_BYTES)
  }

  /** What there is, in pages: a request cannot bound both messages and bytes. */
  async #fetch(most: number): Promise<JsMsg[]> {
    const fetched: JsMsg[] = []
    let bytes = 0
    while (fetched.length < most && bytes < MAX_BYTES && !this.#options.stopping.aborted) {
      const asked = Math.min(PAGE, most - fetched.length)
      const before = fetched.length
      const page = await this.#consumer.fetch({ max_messages: asked, expires: FETCH_MS })
      for await (const message of page) {
        fetched.push(message)
        bytes += message.data.length
      }
      if (fetched.length - before < asked) break
    }
    return fetched
  }

  #broke(reason: string): void {
    const { destination, log } = this.#options
    if (this.#breaker.failures === 0)
      log.warn({ destination: destination.source, reason }, 'it takes no results: they wait')
    this.#breaker.failed(performance.now())
  }

  #worked(): void {
    const { destination, log } = this.#options
    if (this.#breaker.failures > 0) log.info({ destination: destination.source }, 'it takes results again')
    this.#breaker.succeeded()
    this.#syncedAt = Date.now()
  }

  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const { stopping } = this.#options
    const over = (): void => resolve()
    const timer = setTimeout(over, stopping.aborted ? 0 : ms)
    stopping.addEventListener('abort', over)
    await promise
    clearTimeout(timer)
    stopping.removeEventListener('abort', over)
  }

  /** What was brought there, and what waits. */
  async tell(tell: TellMetric): Promise<void> {
    const destination = this.#options.destination.source
    for (const [outcome, count] of Object.entries(this.#counts))
      tell('poolmesh_memory_results_total', count, { destination, outcome })
    tell('poolmesh_memory_failures_in_row', this.#breaker.failures, { destination })
    if (this.#syncedAt !== null)
      tell('poolmesh_memory_last_sync_timestamp_seconds', this.#syncedAt / 1_000, { destination })
    const { num_pending, num_ack_pending } = await this.#consumer.info()
    tell('poolmesh_memory_pending_messages', num_pending + num_ack_pending, { destination })
  }

  /** After `stopping`: what was under way has ended, and the rest is handed back. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running
  }
}
