import { EventEmitter } from 'node:events'
import type { NatsConnection } from '@nats-io/transport-node'
import { type HealthStatsReply, type PoolHealth, PoolmeshError, SUBJECTS } from '@poolmesh/types'
import type { EventStream } from './event-stream.ts'
import { listenToPools, type PoolChange, type PoolEventOptions, readPoolEvents } from './pool-events.ts'
import { ask, type RequestOptions } from './requests.ts'

/** Many pools that do not answer take a while, though they are asked at the same time. */
const CHECK_TIMEOUT_MS = 120_000

type Listener = (event: PoolChange) => void

/**
 * The health of the pools. The health monitor service does the periodic checks; `start()` makes this object hear what it
 * finds.
 */
export class PoolHealthMonitor implements AsyncDisposable {
  readonly #nc: NatsConnection
  readonly #listeners = new EventEmitter<{ unhealthy: [PoolChange]; recovered: [PoolChange] }>()
  #watching: EventStream<PoolChange> | null = null

  constructor(nc: NatsConnection) {
    this.#nc = nc
  }

  /** Begins to hear changes, and resolves when the health monitor is found to run. @throws PoolmeshError UNAVAILABLE */
  async start(): Promise<void> {
    if (this.#watching) return
    const watching = listenToPools(this.#nc)
    this.#watching = watching
    void (async () => {
      for await (const event of watching)
        if (event.kind === 'unhealthy' || event.kind === 'recovered') this.#listeners.emit(event.kind, event)
    })()
    try {
      await this.getMonitorStats()
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  async stop(): Promise<void> {
    this.#watching?.end()
    this.#watching = null
  }

  /** Between `start()` and `stop()`. @returns what ends the listening */
  onUnhealthy(listener: Listener): Disposable {
    return this.#on('unhealthy', listener)
  }

  /** Between `start()` and `stop()`. @returns what ends the listening */
  onRecovered(listener: Listener): Disposable {
    return this.#on('recovered', listener)
  }

  #on(kind: 'unhealthy' | 'recovered', listener: Listener): Disposable {
    this.#listeners.on(kind, listener)
    return { [Symbol.dispose]: () => void this.#listeners.off(kind, listener) }
  }

  /** Changes as they come, without `start()`. Leave the loop, or abort the signal, to stop. */
  events(options: PoolEventOptions = {}): AsyncIterable<PoolChange> {
    const { durable } = options
    if (durable === undefined) return listenToPools(this.#nc, options)
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(durable))
      throw new PoolmeshError('INVALID_INPUT', 'the durable name must be 1 to 64 of A-Z a-z 0-9 _ -', [
        { path: 'durable', message: 'is not a name' },
      ])
    return readPoolEvents(this.#nc, durable, options)
  }

  /** Checks every pool now. `response_time` is in ms. */
  async checkAllPools(options: RequestOptions = {}): Promise<Record<string, PoolHealth>> {
    return await ask(this.#nc, SUBJECTS.healthCheck, {}, { timeoutMs: CHECK_TIMEOUT_MS, ...options })
  }

  /** Checks one pool now. @throws PoolmeshError NOT_FOUND */
  async checkPool(name: string, options: RequestOptions = {}): Promise<PoolHealth> {
    const checked = await ask<Record<string, PoolHealth>>(
      this.#nc,
      SUBJECTS.healthCheck,
      { name },
      { timeoutMs: CHECK_TIMEOUT_MS, ...options },
    )
    const health = Object.hasOwn(checked, name) ? checked[name] : undefined
    if (!health) throw new PoolmeshError('NOT_FOUND', `there is no pool ${name}`)
    return health
  }

  /** The last checks of a pool, oldest first; at most 100. @throws PoolmeshError NOT_FOUND */
  async getPoolHistory(
    name: string,
    options: RequestOptions & { limit?: number | undefined } = {},
  ): Promise<PoolHealth[]> {
    const { limit } = options
    const request = limit === undefined ? { name } : { name, limit }
    return (await ask<{ checks: PoolHealth[] }>(this.#nc, SUBJECTS.healthHistory, request, options)).checks
  }

  async getMonitorStats(options: RequestOptions = {}): Promise<HealthStatsReply> {
    return await ask(this.#nc, SUBJECTS.healthStats, {}, options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    this.#listeners.removeAllListeners()
  }
}
