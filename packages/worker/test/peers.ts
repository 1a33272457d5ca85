// The other side of a pool, played over plain NATS connections: a registry that keeps pools in a map, and an executor.
import type { NatsConnection, Subscription } from '@nats-io/transport-node'
import { createInbox, headers } from '@nats-io/transport-node'
import { until } from '@poolmesh/testkit'

interface Registered {
  name: string
  capabilities: string[]
  max_workers: number
  metadata: { poolmesh?: { batch?: boolean; instance?: string } }
}

export interface FakeRegistry {
  pools: Map<string, Registered>
  /** What was asked, in order: `register p`, `deregister p drain`, `deregister p`. */
  asked: string[]
  stop(): void
}

export function playRegistry(nc: NatsConnection): FakeRegistry {
  const pools = new Map<string, Registered>()
  const asked: string[] = []
  const serve = (
    subject: string,
    answer: (body: Registered & { drain?: boolean }) => unknown,
  ): Subscription =>
    nc.subscribe(subject, {
      callback: (_, message) => void message.respond(JSON.stringify(answer(message.json()))),
    })
  const missing = { error: { code: 'NOT_FOUND', message: 'there is no such pool', issues: [] } }
  const subscriptions = [
    serve('pool.register', (pool) => {
      asked.push(`register ${pool.name}`)
      pools.set(pool.name, pool)
      return pool
    }),
    serve('pool.get', ({ name }) => pools.get(name) ?? missing),
    serve('pool.deregister', ({ name, drain }) => {
      asked.push(`deregister ${name}${drain ? ' drain' : ''}`)
      const pool = pools.get(name)
      if (!drain) pools.delete(name)
      return pool ?? missing
    }),
  ]
  return {
    pools,
    asked,
    stop: () => {
      for (const subscription of subscriptions) subscription.unsubscribe()
    },
  }
}

export interface Answer {
  task_id?: string
  pool_name: string
  status: string
  output: Record<string, unknown> | null
  output_ref?: { store: string; name: string; size: number; sha256: string }
  error: string | null
  duration: number
  metadata: Record<string, unknown>
  attempt: number
}

/** Sends work and collects what is answered. */
export class PlayedExecutor {
  readonly #nc: NatsConnection
  readonly #pool: string
  readonly inbox = createInbox()
  readonly answers: Answer[] = []
  /** Each message as it came: an array or an object. */
  readonly messages: unknown[] = []
  readonly sizes: number[] = []

  constructor(nc: NatsConnection, pool: string) {
    this.#nc = nc
    this.#pool = pool
    nc.subscribe(this.inbox, {
      callback: (_, message) => {
        if (message.data.length === 0) return
        const body = message.json<Answer | Answer[]>()
        this.messages.push(body)
        this.sizes.push(message.data.length)
        this.answers.push(...[body].flat())
      },
    })
  }

  /** As to pools that take arrays. */
  many(tasks: object[], attempt = 1): void {
    const deadline = new Date().toISOString()
    this.raw(JSON.stringify(tasks.map((task) => ({ attempt, deadline, task }))))
  }

  /** As to plain subscribers. */
  one(task: object, attempt = 1): void {
    const h = headers()
    h.set('Poolmesh-Attempt', String(attempt))
    this.#nc.publish(`pool.work.${this.#pool}`, JSON.stringify(task), { reply: this.inbox, headers: h })
  }

  raw(data: string): void {
    this.#nc.publish(`pool.work.${this.#pool}`, data, { reply: this.inbox })
  }

  cancel(taskId: string, reason?: string): void {
    this.#nc.publish(`pool.cancel.${this.#pool}`, JSON.stringify({ task_id: taskId, reason }))
  }

  async answer(taskId: string): Promise<Answer> {
    return await until(
      () => this.answers.find((answer) => answer.task_id === taskId),
      `the answer to ${taskId}`,
    )
  }

  /** When this many have come, and nothing that was sent before is still on its way. */
  async settled(count: number): Promise<Answer[]> {
    await until(() => this.answers.length >= count, `${count} answers, not ${this.answers.length}`)
    await this.#nc.request(`pool.health.${this.#pool}`)
    return this.answers
  }

  /** As {@link settled}, of a pool that is gone. */
  async settledWithoutPool(count: number): Promise<Answer[]> {
    await this.#nc.flush()
    return await until(() => this.answers.length >= count && this.answers, `${count} answers`)
  }
}

export const task = (id: string, more: object = {}): object => ({
  task_id: id,
  task_type: 'test',
  payload: {},
  required_capabilities: [],
  routing_strategy: 'least_loaded',
  timeout: 300,
  priority: 5,
  metadata: {},
  queue_timeout: 300,
  max_attempts: 1,
  idempotent: false,
  ...more,
})

/** A promise that the test opens, for handlers that wait. */
export function gate(): { open: () => void; opened: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { open: resolve, opened: promise }
}
