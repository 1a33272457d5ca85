// What runs in pools that cannot be asked for it. The executors that stand by are told of each such run as it is sent, and
// with the tasks' past (failures, lost pools) it is written down once a second, for the case that none stands by.

import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { headers, type NatsConnection } from '@nats-io/transport-node'
import { type Logger, maxPayload, type Publisher, readKey } from '@poolmesh/bus'
import type { Past, Run, TaskEngine } from '@poolmesh/core'
import { BUCKETS, INTERNAL, isJsonObject } from '@poolmesh/types'
import type { Held } from './held.ts'

/** Task, pool, number of the run, its start (ms since the epoch), seconds that the task allows it. */
type Line = [taskId: string, pool: string, attempt: number, startedAt: number, timeout: number]

const KEY = 'runs'
/** Shorter runs are over before it matters. */
const LEAST_AGE_MS = 500
const MAX_RUNS = 5_000
/** Who knows more answers within a round trip; where nobody stands by the server says so at once. */
const FOLLOWS_MS = 250
const MAX_PASTS = 1_000
/** By then what has happened to a task that is not over is written down. */
const ENDED_MS = 5_000
/** As many can begin and fail within the second that is not written down, beside the first: the pauses between are 0.1, 0.2, 0.4 s. */
const UNSEEN_RUNS = 3

interface Written {
  runs: Line[]
  pasts: [taskId: string, past: Past][]
}

const keyOf = (taskId: string, attempt: number): string => `${taskId}/${attempt}`

export class RunLog implements Disposable {
  readonly #nc: NatsConnection
  readonly #jsm: JetStreamManager
  readonly #id: string
  readonly #publisher: Publisher
  readonly #log: Logger
  readonly #stops = new DisposableStack()
  /** Our own, while we dispatch; the dispatcher's, as we hear it, while we stand by. */
  readonly #runs = new Map<string, Line>()
  /** Runs whose answer may have been missed: their pool is another process by now, or the connection was cut meanwhile. */
  readonly #doubtful = new Set<string>()
  /** A predecessor's, until all that it had in flight has come in: whoever takes over from us meanwhile has to know them. */
  readonly #recalled = new Map<string, Line>()
  /** What was only written down of them, until then: it stays written down, but is told to nobody as if it was certain. */
  readonly #doubtfulBefore = new Map<string, Line>()
  #began: Line[] = []
  #freed: string[] = []
  /** The last run of a task that ended, as we heard it, and when: its task may go on with the next. */
  readonly #ended = new Map<string, { attempt: number; at: number }>()
  /** Whom we follow; null where something may have been missed. */
  #following: string | null = null
  #dirty = false
  /** Those that stand by are to be told anew. */
  #owesAll = false
  /** What others still say is of the past. */
  #dispatches = false

  private constructor(
    nc: NatsConnection,
    jsm: JetStreamManager,
    id: string,
    publisher: Publisher,
    log: Logger,
  ) {
    this.#nc = nc
    this.#jsm = jsm
    this.#id = id
    this.#publisher = publisher
    this.#log = log
    const subscription = nc.subscribe(INTERNAL.runs, {
      callback: (error, message) => {
        if (!error) this.#hear(message.string())
      },
    })
    const follows = nc.subscribe(`${INTERNAL.follows}.*`, {
      callback: (error, message) => {
        if (!error && message.subject === `${INTERNAL.follows}.${this.#following}`) message.respond('{}')
      },
    })
    this.#stops.defer(() => subscription.unsubscribe())
    this.#stops.defer(() => follows.unsubscribe())
  }

  static async open(nc: NatsConnection, id: string, publisher: Publisher, log: Logger): Promise<RunLog> {
    return new RunLog(nc, await jetstreamManager(nc), id, publisher, log)
  }

  // While we dispatch

  began({ entry, pool, attempt, startedAt }: Run): void {
    const { task_id, timeout } = entry.task
    const line: Line = [task_id, pool.name, attempt, startedAt, timeout]
    this.#runs.set(keyOf(task_id, attempt), line)
    this.#recalled.delete(keyOf(task_id, attempt))
    this.#doubtfulBefore.delete(keyOf(task_id, attempt))
    this.#began.push(line)
    this.#dirty = true
  }

  /** What a predecessor had in flight has come in: runs that no task asked for are nobody's. */
  recovered(): void {
    this.#freed.push(...this.#recalled.keys())
    for (const key of [...this.#recalled.keys(), ...this.#doubtfulBefore.keys()]) this.#doubtful.delete(key)
    this.#recalled.clear()
    this.#doubtfulBefore.clear()
    this.#owesAll = true
  }

  freed({ entry, attempt }: Run): void {
    if (this.#runs.size === 0) return
    const key = keyOf(entry.task.task_id, attempt)
    if (!this.#runs.delete(key)) return
    this.#doubtful.delete(key)
    this.#freed.push(key)
    this.#dirty = true
  }

  /**
   * Tells those that stand by, whether or not we have heard of any: one that was paused listens again before we hear it.
   * Call it before the runs are sent: the server keeps the order.
   */
  tell(): void {
    if (this.#owesAll) this.tellAll()
    if (this.#began.length === 0 && this.#freed.length === 0) return
    if (!this.#nc.isClosed())
      this.#nc.publish(
        INTERNAL.runs,
        JSON.stringify({ executor: this.#id, began: this.#began, freed: this.#freed }),
      )
    this.#began = []
    this.#freed = []
  }

  /**
   * All of it, for an executor that has just begun to stand by. What is only recalled may have been answered to us alone,
   * before its task has come in: we do not vouch for it.
   */
  tellAll(): void {
    this.#owesAll = false
    this.#began = []
    this.#freed = []
    const began = [...this.#recalled.values(), ...this.#runs.values()].slice(-MAX_RUNS)
    this.#nc.publish(
      INTERNAL.runs,
      JSON.stringify({
        executor: this.#id,
        all: true,
        began,
        freed: [],
        doubtful: [...this.#doubtful, ...this.#recalled.keys()],
      }),
    )
  }

  /** Once a second. */
  write(engine: TaskEngine<Held>): void {
    const pasts = [...engine.pasts()].slice(0, MAX_PASTS)
    if (!this.#dirty && pasts.length === 0) return
    const old = Date.now() - LEAST_AGE_MS
    const before = new Map([...this.#doubtfulBefore, ...this.#recalled])
    const all = [...before.values(), ...this.#runs.values()]
    const runs = all.filter(([, , , startedAt]) => startedAt <= old).slice(0, MAX_RUNS)
    this.#dirty = pasts.length > 0 || runs.length < all.length || before.size > 0
    let text = JSON.stringify({ runs, pasts } satisfies Written)
    if (text.length > maxPayload(this.#nc) / 2) text = JSON.stringify({ runs, pasts: [] } satisfies Written)
    this.#publisher.publish(`$KV.${BUCKETS.executors}.${KEY}`, text, headers(), (outcome) => {
      if (outcome.kind !== 'stored') this.#dirty = true
    })
  }

  // While we stand by

  #hear(text: string): void {
    let message: unknown
    try {
      message = JSON.parse(text)
    } catch {
      return
    }
    if (!isJsonObject(message) || message['executor'] === this.#id || this.#dispatches) return
    const { executor, all, began, freed, doubtful } = message
    if (typeof executor !== 'string' || !Array.isArray(began) || !Array.isArray(freed)) return
    if (all === true) {
      this.#following = executor
      this.#clear()
    }
    if (this.#following !== executor) return
    for (const line of began as Line[]) this.#runs.set(keyOf(line[0], line[2]), line)
    const now = performance.now()
    for (const key of freed as string[]) {
      this.#runs.delete(key)
      this.#doubtful.delete(key)
      const slash = key.lastIndexOf('/')
      const taskId = key.slice(0, slash)
      this.#ended.delete(taskId)
      this.#ended.set(taskId, { attempt: Number(key.slice(slash + 1)), at: now })
    }
    for (const [taskId, { at }] of this.#ended) {
      if (now - at < ENDED_MS && this.#ended.size <= MAX_RUNS) break
      this.#ended.delete(taskId)
    }
    if (Array.isArray(doubtful)) for (const key of doubtful as string[]) this.#doubtful.add(key)
  }

  get following(): string | null {
    return this.#following
  }

  /** Our connection was cut: until it is looked into, whoever takes over must not take our word for what runs. */
  doubtOwn(): void {
    for (const key of [...this.#recalled.keys(), ...this.#runs.keys()]) this.#doubtful.add(key)
    this.#owesAll = true
  }

  /** Another process has that pool's name: its predecessor's runs may never be answered. */
  replaced(pool: string): void {
    for (const [key, line] of this.#runs) if (line[1] === pool) this.#doubtful.add(key)
  }

  /** Whether another that stands by knows that executor's runs, and we do not. */
  async isBehind(executor: string): Promise<boolean> {
    if (this.#following === executor) return false
    return await this.#nc
      .request(`${INTERNAL.follows}.${executor}`, '', { timeout: FOLLOWS_MS })
      .then(() => true)
      .catch(() => false)
  }

  /** Something may have been missed. */
  doubt(): void {
    this.#following = null
    this.#clear()
  }

  #clear(): void {
    this.#runs.clear()
    this.#recalled.clear()
    this.#doubtfulBefore.clear()
    this.#doubtful.clear()
  }

  // Between the two

  /**
   * Tells the engine what is known of its predecessor's runs. What was followed as it happened goes on; of what is only
   * written down the answers may have been missed, so it is tried again while its slot stays taken.
   * @param canAsk whether a pool says what became of a run, so that no answer can be missed
   */
  async recall({ adoption }: TaskEngine<Held>, canAsk: (pool: string) => boolean): Promise<void> {
    const written = await this.#read()
    for (const [taskId, pool, attempt, startedAt, timeout] of written.runs)
      adoption.run(taskId, { pool, attempt, startedAt, timeout, certain: canAsk(pool) })
    for (const [taskId, past] of written.pasts) adoption.past(taskId, past)
    adoption.unseen = this.#following === null ? UNSEEN_RUNS : 0
    for (const [taskId, { attempt }] of this.#ended) adoption.seen(taskId, attempt)
    if (this.#following !== null)
      for (const [key, [taskId, pool, attempt, startedAt, timeout]] of this.#runs)
        adoption.run(taskId, {
          pool,
          attempt,
          startedAt,
          timeout,
          certain: canAsk(pool) || !this.#doubtful.has(key),
        })
    const followed = this.#following === null ? [] : [...this.#runs]
    const doubtful = [...this.#doubtful]
    this.reset()
    for (const [key, line] of followed) this.#recalled.set(key, line)
    for (const line of written.runs) this.#doubtfulBefore.set(keyOf(line[0], line[2]), line)
    this.#dispatches = true
    for (const key of doubtful) this.#doubtful.add(key)
    for (const key of this.#doubtfulBefore.keys()) if (!this.#recalled.has(key)) this.#doubtful.add(key)
  }

  /** We dispatch from now on, or no longer. */
  reset(): void {
    this.#clear()
    this.#began = []
    this.#freed = []
    this.#following = null
    this.#dirty = false
    this.#owesAll = false
    this.#dispatches = false
  }

  /** @throws Error where it cannot be read now: without it what runs would be begun a second time */
  async #read(): Promise<Written> {
    const message = await readKey(this.#jsm, BUCKETS.executors, KEY)
    let body: unknown
    try {
      body = message?.json()
    } catch {
      this.#log.warn('what is written down of the runs is not readable, ignored')
    }
    if (isJsonObject(body) && Array.isArray(body['runs']) && Array.isArray(body['pasts']))
      return body as unknown as Written
    return { runs: [], pasts: [] }
  }

  [Symbol.dispose](): void {
    this.#stops.dispose()
  }
}
