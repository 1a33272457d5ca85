// Fills the index from RESULTS: what is stored when it starts, then what comes. What would go out again at once is not read.
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { isNothing, type Logger } from '@poolmesh/bus'
import { completedSubject, resultSchema, STREAMS } from '@poolmesh/types'
import type { RecentIndex } from './recent-index.ts'
import { memoryText } from './text.ts'

const EVERY_MS = 1_000
/** Messages that are looked at, counted from the last one; each has a result or more. */
const MAX_BACK = 20_000
const PAGE = 500
const PAGE_BYTES = 4 * 1024 * 1024

export class RecentFeed implements AsyncDisposable {
  readonly #jsm: JetStreamManager
  readonly #index: RecentIndex
  readonly #log: Logger
  readonly #timer: NodeJS.Timeout
  #next = 1
  #reading: Promise<void> | null = null
  #stopped = false

  private constructor(jsm: JetStreamManager, index: RecentIndex, log: Logger) {
    this.#jsm = jsm
    this.#index = index
    this.#log = log
    this.#timer = setInterval(() => void this.read().catch(() => {}), EVERY_MS)
  }

  /** Resolves when what is stored is in the index. */
  static async start(nc: NatsConnection, index: RecentIndex, log: Logger): Promise<RecentFeed> {
    const feed = new RecentFeed(await jetstreamManager(nc), index, log)
    await feed.read().catch(() => {})
    return feed
  }

  /** Reads what is there now. @throws Error where the broker does not answer; the next time goes on from there */
  async read(): Promise<void> {
    // Whoever asks while it is read may have stored something since that began.
    const before = this.#reading
    if (before) await before.catch(() => {})
    this.#reading ??= this.#readOn().finally(() => {
      this.#reading = null
    })
    await this.#reading
  }

  async #readOn(): Promise<void> {
    const { state } = await this.#jsm.streams.info(STREAMS.results)
    this.#next = Math.max(this.#next, state.first_seq, state.last_seq - MAX_BACK + 1)
    while (!this.#stopped && this.#next <= state.last_seq) {
      const before = this.#next
      try {
        const page = await this.#jsm.direct.getBatch(STREAMS.results, {
          seq: this.#next,
          batch: PAGE,
          max_bytes: PAGE_BYTES,
          next_by_subj: completedSubject('*'),
        })
        for await (const message of page) {
          this.#take(message)
          this.#next = message.seq + 1
        }
      } catch (error) {
        if (!isNothing(error)) throw error
      }
      if (this.#next === before) return
    }
  }

  #take(message: { seq: number; json<T>(): T }): void {
    let body: unknown
    try {
      body = message.json()
    } catch {
      this.#log.debug({ sequence: message.seq }, 'what is no result was skipped')
      return
    }
    for (const entry of Array.isArray(body) ? body : [body]) {
      const result = resultSchema.safeParse(entry)
      if (result.success) this.#index.add(result.data.task_id, memoryText(result.data))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true
    clearInterval(this.#timer)
    await this.#reading?.catch(() => {})
  }
}
