// Fills the index from RESULTS: what is stored when it starts, then what comes. It takes half of the time at most, so that the
// rest of the process goes on; where more results come than that, those that would go out again at once are not read.
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { isNothing, type Logger } from '@poolmesh/bus'
import { completedSubject, resultSchema, STREAMS } from '@poolmesh/types'
import type { RecentIndex } from './recent-index.ts'
import { memoryText } from './text.ts'

const EVERY_MS = 1_000
const PAGE = 100
const PAGE_BYTES = 4 * 1024 * 1024
/** Results that are indexed in a row: a tenth to two milliseconds each. */
const IN_A_ROW = 10

export class RecentFeed implements AsyncDisposable {
  readonly #jsm: JetStreamManager
  readonly #index: RecentIndex
  readonly #log: Logger
  readonly #timer: NodeJS.Timeout
  #next = 1
  /** Results that a message has, by the last page. */
  #perMessage = 1
  #added = 0
  #workedMs = 0
  #reading: Promise<void> | null = null
  #stopped = false

  private constructor(jsm: JetStreamManager, index: RecentIndex, log: Logger) {
    this.#jsm = jsm
    this.#index = index
    this.#log = log
    this.#timer = setInterval(() => void this.read().catch(() => {}), EVERY_MS)
  }

  /** Begins to read; a search may come before it is through. */
  static async start(nc: NatsConnection, index: RecentIndex, log: Logger): Promise<RecentFeed> {
    const feed = new RecentFeed(await jetstreamManager(nc), index, log)
    void feed.read().catch(() => {})
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
    while (!this.#stopped) {
      const { state } = await this.#jsm.streams.info(STREAMS.results)
      const back = Math.ceil(this.#index.most / this.#perMessage)
      this.#next = Math.max(this.#next, state.first_seq, state.last_seq - back + 1)
      if (this.#next > state.last_seq || !(await this.#readPage())) return
    }
  }

  /** @returns whether there was anything */
  async #readPage(): Promise<boolean> {
    let messages = 0
    let results = 0
    try {
      const page = await this.#jsm.direct.getBatch(STREAMS.results, {
        seq: this.#next,
        batch: PAGE,
        max_bytes: PAGE_BYTES,
        next_by_subj: completedSubject('*'),
      })
      for await (const message of page) {
        if (this.#stopped) return false
        results += await this.#take(message)
        messages++
        this.#next = message.seq + 1
      }
    } catch (error) {
      if (!isNothing(error)) throw error
    }
    if (messages > 0) this.#perMessage = Math.max(1, results / messages)
    return messages > 0
  }

  /** @returns how many results it has */
  async #take(message: { seq: number; json<T>(): T }): Promise<number> {
    let body: unknown
    try {
      body = message.json()
    } catch {
      this.#log.debug({ sequence: message.seq }, 'what is no result was skipped')
      return 0
    }
    const entries: unknown[] = Array.isArray(body) ? body : [body]
    for (const entry of entries) {
      const result = resultSchema.safeParse(entry)
      if (!result.success) continue
      const began = performance.now()
      this.#index.add(result.data.task_id, memoryText(result.data))
      this.#workedMs += performance.now() - began
      if (++this.#added % IN_A_ROW === 0) await this.#rest()
    }
    return entries.length
  }

  async #rest(): Promise<void> {
    const ms = this.#workedMs
    this.#workedMs = 0
    await new Promise((resolve) => setTimeout(resolve, ms))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true
    clearInterval(this.#timer)
    await this.#reading?.catch(() => {})
  }
}
