// Keeps tasks in flight, in each of the ways in which tasks are submitted; cancels some, and asks after others.
import { setTimeout as sleep } from 'node:timers/promises'
import type { NatsConnection } from '@nats-io/transport-node'
import { DistributedTaskExecutor, PoolmeshError, type TaskHandle } from '@poolmesh/client'
import type { DistributedTaskInput, DistributedTaskResult } from '@poolmesh/types'
import type { Kind } from '../history/events.ts'
import type { History } from '../history/writer.ts'
import { Random } from '../nemesis/random.ts'
import type { RoleOptions } from '../system/population.ts'
import { connectPlainly } from './connection.ts'
import { newTask } from './tasks.ts'
import { WireTap } from './wire-tap.ts'

/** Parts of the tasks in flight. */
const SHARES = { many: 0.6, one: 0.2, own: 0.12, plain: 0.08 }
const FAN_OUTS = 4
const CANCELLED = 10
/** Questions for the status, a second. */
const ASK_MS = 100
/** Ids that questions are asked about. */
const REMEMBERED = 2_000

class Submitter {
  readonly #history: History
  readonly #nc: NatsConnection
  readonly #executor: DistributedTaskExecutor
  readonly #random: Random
  readonly #tap: WireTap
  readonly #prefix: string
  readonly #adapters: boolean
  readonly #remembered: string[] = []
  #next = 0
  #over = false

  constructor(nc: NatsConnection, tap: WireTap, history: History, { seed, adapters }: RoleOptions) {
    this.#nc = nc
    this.#tap = tap
    this.#history = history
    this.#random = new Random(seed + process.pid)
    this.#adapters = adapters
    // Unlike any of the process that had the name before.
    this.#prefix = `own-${process.pid.toString(36)}-${Math.random().toString(36).slice(2, 6)}`
    this.#executor = new DistributedTaskExecutor(nc, { silence: 3 })
  }

  stop(): void {
    this.#over = true
  }

  start(inFlight: number): void {
    void this.#many(Math.ceil(inFlight * SHARES.many))
    const keep = (count: number, one: () => Promise<void>): void => {
      for (let i = 0; i < count; i++) void this.#loop(one)
    }
    keep(Math.ceil(inFlight * SHARES.one), () => this.#one(this.#newTask()))
    keep(Math.ceil(inFlight * SHARES.own), () => this.#one(this.#newTask(), true))
    keep(Math.ceil(inFlight * SHARES.plain), () => this.#plain())
    keep(FAN_OUTS, () => this.#one(this.#newTask('o'), this.#random.chance(0.5)))
    keep(CANCELLED, () => this.#cancel())
    void this.#ask()
  }

  async #loop(one: () => Promise<void>): Promise<void> {
    while (!this.#over)
      await one().catch(async (error: unknown) => {
        this.#history.write({ e: 'note', text: `submitter: ${error}` })
        await sleep(500)
      })
  }

  async #many(window: number): Promise<void> {
    const source = function* (this: Submitter): Generator<DistributedTaskInput> {
      while (!this.#over) yield this.#newTask()
    }
    await this.#loop(async () => {
      const stream = this.#executor.submitMany(source.call(this), { window, batchSize: 30 })
      for await (const result of stream) this.#told(result)
    })
  }

  async #one(task: DistributedTaskInput, own = false): Promise<void> {
    const handle = this.#submit(task, own)
    await this.#result(handle)
  }

  #submit(task: DistributedTaskInput, own: boolean): TaskHandle {
    const handle = this.#executor.submit(own ? { ...task, task_id: this.#id() } : task)
    this.#remember(handle.taskId)
    return handle
  }

  #newTask(kind?: Kind): DistributedTaskInput {
    return newTask(this.#random, this.#adapters, kind)
  }

  #id(): string {
    return `${this.#prefix}-${this.#next++}`
  }

  async #result(handle: TaskHandle): Promise<void> {
    try {
      this.#told(await handle.result())
    } catch (error) {
      const code = error instanceof PoolmeshError ? error.code : String(error)
      this.#history.write({ e: 'failed', id: handle.taskId, code })
    }
  }

  #told({ task_id, status }: DistributedTaskResult): void {
    this.#history.write({ e: 'told', id: task_id, s: status })
    if (this.#random.chance(0.2)) this.#remember(task_id)
  }

  /** With nothing but a request: again with the same id until it is acknowledged, and sometimes once more after that. */
  async #plain(): Promise<void> {
    const id = `plain-${this.#id()}`
    const text = JSON.stringify({ task_id: id, ...this.#newTask() })
    for (let extra = this.#random.chance(0.1) ? 1 : 0; extra >= 0; extra--)
      while (!(await this.#tap.submitPlainly(id, text, 2_000))) await sleep(200)
    this.#remember(id)
    for (;;) {
      await sleep(1_000)
      const reply = await this.#request('task.result', id)
      if (reply && 'output' in reply) return this.#told(reply as unknown as DistributedTaskResult)
    }
  }

  async #cancel(): Promise<void> {
    const handle = this.#submit(this.#newTask(this.#random.chance(0.9) ? 'c' : 'o'), this.#random.chance(0.5))
    const result = this.#result(handle)
    await Promise.race([handle.stored.catch(() => {}), sleep(10_000)])
    await sleep(this.#random.between(0, 4_000))
    const id = handle.taskId
    this.#history.write({ e: 'cancel', id })
    const reply = await this.#request('task.cancel', id)
    if (reply && typeof reply['cancelled'] === 'boolean')
      this.#history.write({ e: 'cancelled', id, ok: reply['cancelled'], s: String(reply['status']) })
    await result
  }

  async #ask(): Promise<void> {
    while (!this.#over) {
      await sleep(ASK_MS)
      const id = this.#remembered[Math.floor(Math.random() * this.#remembered.length)]
      if (id === undefined) continue
      const from = this.#history.now()
      void this.#request('task.status', id).then((reply) => {
        if (!reply) return
        const code = (reply['error'] as { code?: string } | undefined)?.code
        this.#history.write({
          e: 'status',
          id,
          from,
          s: code ?? String(reply['status']),
          a: Number(reply['attempt'] ?? 0),
        })
      })
    }
  }

  async #request(subject: string, id: string): Promise<Record<string, unknown> | null> {
    const message = await this.#nc
      .request(subject, JSON.stringify({ task_id: id }), { timeout: 5_000 })
      .catch(() => null)
    return message?.json<Record<string, unknown>>() ?? null
  }

  #remember(id: string): void {
    if (this.#remembered.length < REMEMBERED) this.#remembered.push(id)
    else this.#remembered[Math.floor(Math.random() * REMEMBERED)] = id
  }
}

export async function startSubmitter(options: RoleOptions, history: History): Promise<void> {
  const nc = await connectPlainly(options.name)
  const tap = new WireTap(nc, history, options.name)
  const submitter = new Submitter(nc, tap, history, options)
  process.on('message', (message) => {
    if (message === 'stop') submitter.stop()
  })
  process.once('SIGTERM', () => process.exit(0))
  submitter.start(options.inFlight)
}
