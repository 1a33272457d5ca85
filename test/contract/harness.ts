// A running system and a stranger to it: a plain NATS connection that knows the contract and none of the packages.
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, headers, type Msg, type NatsConnection, nuid } from '@nats-io/transport-node'
import { loadSettings } from '@poolmesh/bus'
import { until } from '@poolmesh/testkit'
import { type EmbeddedOptions, type EmbeddedSystem, startEmbedded } from '@poolmesh/up'
import { expect } from 'vitest'
import { type Json, PlainPool, type PlainPoolOptions } from './plain-pool.ts'

export * from './plain-pool.ts'

export interface Result extends Json {
  task_id: string
  pool_name: string | null
  status: string
  output: Json | null
  error: string | null
  duration: number
  metadata: Json
}

export interface FanOutOutput {
  aggregation: string
  decided_by: unknown
  branches: Result[]
}

const WAIT_MS = 20_000
export const RFC3339_UTC = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$/
export const ID = /^[A-Za-z0-9_-]{1,64}$/

/** A name that no other test has. */
export const unique = (what: string): string => `${what}_${nuid.next().slice(-8)}`

export class Stranger {
  readonly url: string
  readonly nc: NatsConnection
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  /** Each message of `task.completed`, as it came. */
  readonly told: (Result | Result[])[] = []
  readonly #results = new Map<string, Result[]>()
  readonly #waiting = new Map<string, ((result: Result) => void)[]>()

  private constructor(url: string, nc: NatsConnection, jsm: JetStreamManager) {
    this.url = url
    this.nc = nc
    this.js = jetstream(nc)
    this.jsm = jsm
  }

  /** @param url of the server, or several with commas between */
  static async to(url: string): Promise<Stranger> {
    const nc = await connect({ servers: url.split(','), name: 'stranger', maxReconnectAttempts: -1 })
    const stranger = new Stranger(url, nc, await jetstreamManager(nc))
    nc.subscribe('task.completed', {
      callback: (error, message) => {
        if (!error) stranger.#hear(message)
      },
    })
    await nc.flush()
    return stranger
  }

  #hear(message: Msg): void {
    const body = message.json<Result | Result[]>()
    this.told.push(body)
    for (const result of Array.isArray(body) ? body : [body]) {
      const before = this.#results.get(result.task_id)
      if (before) before.push(result)
      else this.#results.set(result.task_id, [result])
      for (const resolve of this.#waiting.get(result.task_id) ?? []) resolve(result)
      this.#waiting.delete(result.task_id)
    }
  }

  /** Publishes a task as a request, so that the broker says that it is stored. @returns its id */
  async submit(task: Json = {}, header: Record<string, string> = {}): Promise<string> {
    const id = (task['task_id'] as string | undefined) ?? unique('t')
    const ack = await this.store(
      'task.submitted',
      { task_type: 'test', payload: {}, task_id: id, ...task },
      header,
    )
    expect(ack).toMatchObject({ stream: 'TASKS' })
    return id
  }

  /** Publishes as a request to a subject of a stream. @returns what the broker answered */
  async store(subject: string, body: unknown, header: Record<string, string> = {}): Promise<Json> {
    const h = headers()
    for (const [name, value] of Object.entries(header)) h.set(name, value)
    const data = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)
    return (await this.nc.request(subject, data, { headers: h, timeout: WAIT_MS })).json<Json>()
  }

  /** What `task.completed` told of a task so far. */
  resultsOf(id: string): Result[] {
    return this.#results.get(id) ?? []
  }

  /** The result of a task, when `task.completed` tells it. */
  async resultOf(id: string): Promise<Result> {
    const [first] = this.resultsOf(id)
    if (first) return first
    const { promise, resolve, reject } = Promise.withResolvers<Result>()
    const timer = setTimeout(() => reject(new Error(`gave up waiting for the result of ${id}`)), WAIT_MS)
    this.#waiting.set(id, [...(this.#waiting.get(id) ?? []), resolve])
    return await promise.finally(() => clearTimeout(timer))
  }

  /** The result as `task.result` has it once the task has ended: for when what `task.completed` told may have been missed. */
  async resultFrom(id: string, limitMs = 60_000): Promise<Result> {
    return await until(
      async () => {
        const reply = await this.ask<Result>('task.result', { task_id: id }, 2_000).catch(() => null)
        return reply && 'output' in reply && reply
      },
      `a result of ${id}`,
      limitMs,
    )
  }

  async run(task: Json = {}): Promise<Result> {
    return await this.resultOf(await this.submit(task))
  }

  async ask<Reply = Json>(subject: string, body: unknown = '', timeout = WAIT_MS): Promise<Reply> {
    const reply = await this.reply(subject, body, timeout)
    return reply.json<Reply>()
  }

  async reply(subject: string, body: unknown = '', timeout = WAIT_MS): Promise<Msg> {
    const data = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)
    return await this.nc.request(subject, data, { timeout })
  }

  /** Asks, and holds the answer to the form of a refusal. @returns its `error` */
  async refusal(subject: string, body: unknown): Promise<{ code: string; message: string; issues: Json[] }> {
    const reply = await this.reply(subject, body)
    const { error } = reply.json<{ error: { code: string; message: string; issues: Json[] } }>()
    expect(error).toMatchObject({
      code: expect.stringMatching(/^[A-Z_]+$/),
      message: expect.stringMatching(/./),
      issues: expect.any(Array),
    })
    for (const issue of error.issues)
      expect(issue).toMatchObject({ path: expect.any(String), message: expect.any(String) })
    expect(reply.headers?.get('Nats-Service-Error')).toBeTruthy()
    expect(reply.headers?.get('Nats-Service-Error-Code')).toMatch(/^\d{3}$/)
    return error
  }

  async pool(name: string, options: PlainPoolOptions = {}): Promise<PlainPool> {
    return await PlainPool.start(this.url, name, options)
  }

  /** A pool with a capability of its own, and the task that only it can take. */
  async own(options: PlainPoolOptions = {}): Promise<PlainPool & { task: Json }> {
    const capability = unique('cap')
    const pool = await this.pool(unique('pool'), { capabilities: [capability], ...options })
    await this.fitting({ required_capabilities: [capability] }, [pool.name])
    return Object.assign(pool, { task: { required_capabilities: [capability] } })
  }

  /** Waits until those who choose know that exactly these pools could take the task now. */
  async fitting(task: Json, pools: string[]): Promise<void> {
    const wanted = [...pools].sort().join()
    await until(async () => {
      const { candidates } = await this.explain({ task_type: 'test', payload: {}, ...task })
      const fit = candidates.filter(({ verdict }) => verdict === 'fits' || verdict === 'chosen')
      return (
        fit
          .map(({ pool }) => pool)
          .sort()
          .join() === wanted
      )
    }, `${wanted} to fit`)
  }

  async explain(question: Json): Promise<Explained> {
    return await this.ask<Explained>('task.explain', question)
  }

  async status(id: string): Promise<Json> {
    return await this.ask('task.status', { task_id: id })
  }

  async untilStatus(id: string, status: string): Promise<Json> {
    return await until(async () => {
      const reply = await this.status(id)
      return reply['status'] === status && reply
    }, `${id} to be ${status}`)
  }

  /** The stored result under a task's subject, read as anyone may: a direct get, last by subject. */
  async stored(id: string): Promise<Result | null> {
    const message = await this.jsm.direct
      .getMessage('RESULTS', { last_by_subj: `task.completed.${id}` })
      .catch(() => null)
    return message ? message.json<Result>() : null
  }

  /** What a subject is told, from now on. */
  async listen<T = Json>(subject: string): Promise<T[]> {
    const heard: T[] = []
    this.nc.subscribe(subject, {
      callback: (error, message) => {
        if (!error) heard.push(message.json<T>())
      },
    })
    await this.nc.flush()
    return heard
  }

  async close(): Promise<void> {
    await this.nc.close()
  }
}

export interface Explained {
  task_id: string | null
  status: string | null
  strategy: string
  chosen: string | null
  candidates: { pool: string; verdict: string; reason: string; score: number | null }[]
  counts: Record<string, number>
  waiting_for: string | null
}

export interface RunningSystem extends AsyncDisposable {
  stranger: Stranger
  system: EmbeddedSystem
}

/**
 * The four services on a server of their own. One for each file.
 * @param settings as in the environment, without `POOLMESH_`
 * @param dataDir of the server; a temporary one if left out
 * @param services those that run in this process; the four if left out
 */
export async function startSystem(
  settings: Record<string, string> = {},
  dataDir?: string,
  services?: EmbeddedOptions['services'],
): Promise<RunningSystem> {
  const env = Object.fromEntries(Object.entries(settings).map(([key, value]) => [`POOLMESH_${key}`, value]))
  const system = await startEmbedded({
    port: 0,
    dataDir,
    services,
    settings: loadSettings({ POOLMESH_SYNC: '1m', ...env }, ''),
  })
  const stranger = await Stranger.to(system.url)
  return {
    system,
    stranger,
    async [Symbol.asyncDispose]() {
      await stranger.close()
      await system[Symbol.asyncDispose]()
    },
  }
}
