// A pool as anyone could write it in any language: a subscription, and a request to register. Nothing of the project's.
import { connect, type Msg, type NatsConnection } from '@nats-io/transport-node'

export type Json = Record<string, unknown>

/** A task as it arrived at a pool. */
export interface Work {
  task: Json & { task_id: string; payload: Json }
  attempt: string | undefined
  deadline: string | undefined
  message: Msg
}

export interface PlainPoolOptions {
  capabilities?: string[]
  maxWorkers?: number
  /** More of the descriptor. */
  descriptor?: Json
  /** What it answers: an object or text is sent as it is, nothing is no answer. Default: it completes with its own name. */
  handler?: (work: Work, pool: PlainPool) => unknown
  /** What it answers to `pool.health.<name>`; without this it does not listen there. */
  health?: () => unknown
}

export class PlainPool implements AsyncDisposable {
  readonly name: string
  readonly nc: NatsConnection
  readonly received: Work[] = []
  readonly cancels: { task_id: string; reason: string }[] = []
  /** Tasks in hand, and the most there ever were. */
  running = 0
  peak = 0
  /** What the registry answered. */
  registered: Json = {}
  handler: (work: Work, pool: PlainPool) => unknown
  readonly #options: PlainPoolOptions

  private constructor(nc: NatsConnection, name: string, options: PlainPoolOptions) {
    this.nc = nc
    this.name = name
    this.#options = options
    this.handler = options.handler ?? ((work) => completed(work, { by: name }))
  }

  /** Subscribes, then registers: from the first task on somebody is there. */
  static async start(url: string, name: string, options: PlainPoolOptions): Promise<PlainPool> {
    const nc = await connect({ servers: url.split(','), name: `pool ${name}`, maxReconnectAttempts: -1 })
    const pool = new PlainPool(nc, name, options)
    pool.listen()
    await nc.flush()
    await pool.register()
    return pool
  }

  listen(): void {
    const { nc, name } = this
    nc.subscribe(`pool.work.${name}`, {
      queue: name,
      callback: (error, message) => {
        if (!error) void this.#work(message)
      },
    })
    nc.subscribe(`pool.cancel.${name}`, {
      callback: (error, message) => {
        if (!error) this.cancels.push(message.json())
      },
    })
    const { health } = this.#options
    if (!health) return
    nc.subscribe(`pool.health.${name}`, {
      callback: (error, message) => {
        const answer = error ? undefined : health()
        if (answer !== undefined) message.respond(textOf(answer))
      },
    })
  }

  async register(changes: Json = {}): Promise<void> {
    const descriptor = {
      name: this.name,
      pool_type: 'nats',
      capabilities: this.#options.capabilities ?? [],
      max_workers: this.#options.maxWorkers ?? 10,
      ...this.#options.descriptor,
      ...changes,
    }
    const reply = await this.nc.request('pool.register', JSON.stringify(descriptor), { timeout: 10_000 })
    this.registered = reply.json()
    if (this.registered['error']) throw new Error(`${this.name} was refused: ${reply.string()}`)
  }

  heartbeat(current_workers: number, queue_size = 0): void {
    this.nc.publish(`pool.heartbeat.${this.name}`, JSON.stringify({ current_workers, queue_size }))
  }

  async #work(message: Msg): Promise<void> {
    const work: Work = {
      task: message.json(),
      attempt: message.headers?.get('Poolmesh-Attempt') || undefined,
      deadline: message.headers?.get('Poolmesh-Deadline') || undefined,
      message,
    }
    this.received.push(work)
    this.peak = Math.max(this.peak, ++this.running)
    try {
      const answer = await this.handler(work, this)
      // Before the answer: whoever gets it may send the next task at once.
      this.running--
      if (answer !== undefined && !this.nc.isClosed()) message.respond(textOf(answer))
    } catch (error) {
      this.running--
      message.respond(textOf({ task_id: work.task.task_id, status: 'failed', error: String(error) }))
    }
  }

  ids(): string[] {
    return this.received.map((work) => work.task.task_id)
  }

  /** Goes without a word, as a killed process does. */
  async die(): Promise<void> {
    await this.nc.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.nc.isClosed()) return
    await this.nc
      .request('pool.deregister', JSON.stringify({ name: this.name }), { timeout: 5_000 })
      .catch(() => {})
    await this.nc.close()
  }
}

const textOf = (answer: unknown): string => (typeof answer === 'string' ? answer : JSON.stringify(answer))

/** A whole DistributedTaskResult, as the contract has it. */
export const completed = (work: Work, output: Json): Json => ({
  task_id: work.task.task_id,
  pool_name: null,
  status: 'completed',
  output,
  error: null,
  duration: 0.001,
  metadata: {},
})

export const failed = (work: Work, error: string): Json => ({
  ...completed(work, {}),
  status: 'failed',
  output: null,
  error,
})

/** Something to wait at until somebody opens it. */
export function gate(): { opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { opened: promise, open: () => resolve() }
}
