// A pool that runs: its connection, its subscriptions, its word to the registry, and its end.

import { type Msg, type NatsConnection, nuid } from '@nats-io/transport-node'
import {
  ClaimCheck,
  connectBus,
  createLogger,
  followLink,
  type Logger,
  maxPayload,
  Progress,
  silentLogger,
} from '@poolmesh/bus'
import {
  cancelSubject,
  healthSubject,
  heartbeatSubject,
  isJsonObject,
  type PoolDescriptor,
  runningSubject,
  workSubject,
} from '@poolmesh/types'
import type { PoolSpec } from './definition.ts'
import { Outbox, type Send } from './outbox.ts'
import { Registration } from './registration.ts'
import { progressOf } from './run.ts'
import { type PoolStats, Runner } from './runner.ts'
import { onStopSignals } from './signals.ts'
import { aborted, within } from './waiting.ts'
import { Wanted } from './wanted.ts'
import { readWork } from './work.ts'

const DEFAULT_SERVER = 'nats://127.0.0.1:4222'
const DEFAULT_DRAIN_S = 10
/** Handlers that are told to stop have this long to do so before the pool goes without them. */
const ABORT_GRACE_MS = 500
/** A server that is away must not hold up the end. */
const FLUSH_MS = 1_000
/** A heartbeat that comes so late means that the process stood still, and may be taken for dead. */
const STALL_MS = 3_000

export interface StartOptions {
  /** Default: NATS_URL, else nats://127.0.0.1:4222. */
  servers?: string | string[]
  /** A connection of the caller's, which stays open when the pool stops. */
  nc?: NatsConnection
  /** Default: POOLMESH_NATS_TOKEN. */
  token?: string
  /** Default: lines on standard output; none where `nc` is given. */
  log?: Logger
  /** Drain on SIGTERM and SIGINT, stop at once on the second. Default: only where no `nc` is given. */
  handleSignals?: boolean
  /** Seconds that runs have to end when the pool drains; default 10. */
  drainTimeout?: number
  /** Gives up the start, which waits for the registry otherwise. */
  signal?: AbortSignal
}

export interface StopOptions {
  /** Let what runs end first; default true. */
  drain?: boolean
  /** Seconds until the rest is stopped; default: the start's. */
  drainTimeout?: number
}

export interface RunningPool extends AsyncDisposable {
  readonly name: string
  readonly stats: PoolStats
  /** Resolves when the pool has stopped; with an error when its connection was lost for good. */
  readonly closed: Promise<Error | undefined>
  /** A second call that does not drain stops what still runs. Never rejects. */
  stop(options?: StopOptions): Promise<void>
}

export async function startPool(spec: PoolSpec, options: StartOptions): Promise<RunningPool> {
  const { name } = spec.descriptor
  const log =
    options.log ??
    (options.nc ? silentLogger() : createLogger(`pool ${name}`, process.env['POOLMESH_LOG_LEVEL'] ?? 'info'))
  const nc =
    options.nc ??
    (await connectBus({
      servers: options.servers ?? process.env['NATS_URL'] ?? DEFAULT_SERVER,
      name: `pool ${name}`,
      token: options.token ?? process.env['POOLMESH_NATS_TOKEN'],
    }))
  const pool = new Pool(spec, nc, options, log.child({ pool_name: name }))
  try {
    await pool.start(options.signal)
  } catch (error) {
    await pool.stop({ drain: false })
    throw error
  }
  return pool
}

class Pool implements RunningPool {
  readonly name: string
  readonly closed: Promise<Error | undefined>
  readonly #spec: PoolSpec
  readonly #nc: NatsConnection
  readonly #ownsConnection: boolean
  readonly #drainTimeout: number
  readonly #log: Logger
  readonly #outbox: Outbox
  readonly #runner: Runner
  readonly #registration: Registration
  readonly #wanted: Wanted
  readonly #owned = new AsyncDisposableStack()
  /** Aborted when the pool begins to stop: nothing more is told to the registry but that. */
  readonly #stopping = new AbortController()
  /** Aborted when what runs is to be stopped. */
  readonly #now = new AbortController()
  /** The registry has said so. */
  #registered = false
  /** It has been asked to, and may have heard it. */
  #mayBeRegistered = false
  #stopped: Promise<void> | null = null
  #resolveClosed: (error: Error | undefined) => void = () => {}

  constructor(spec: PoolSpec, nc: NatsConnection, options: StartOptions, log: Logger) {
    const { name } = spec.descriptor
    this.name = name
    this.#spec = spec
    this.#nc = nc
    this.#ownsConnection = options.nc === undefined
    this.#drainTimeout = options.drainTimeout ?? DEFAULT_DRAIN_S
    this.#log = log
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
    const send: Send = (subject, data) => this.#publish(subject, data)
    this.#outbox = new Outbox(send, () => maxPayload(nc))
    const progress = this.#owned.use(new Progress(send, progressOf(name)))
    this.#runner = this.#owned.use(
      new Runner({
        pool: name,
        handler: spec.handler,
        maxWorkers: spec.descriptor.max_workers,
        queueLimit: spec.queueLimit,
        outbox: this.#outbox,
        progress,
        claims: new ClaimCheck(nc),
        maxMessage: () => maxPayload(nc),
        log,
      }),
    )
    this.#wanted = new Wanted(nc, name, this.#runner)
    const instance = nuid.next()
    this.#registration = new Registration(nc, () => this.#descriptor(instance), instance, log)
    if (options.handleSignals ?? this.#ownsConnection)
      this.#owned.use(
        onStopSignals(
          () => void this.stop({ drain: true }),
          () => void this.stop({ drain: false }),
        ),
      )
  }

  get stats(): PoolStats {
    return this.#runner.stats
  }

  /** A pool that is stopped while it waits for the registry has started and ended, which is no error. */
  async start(signal?: AbortSignal): Promise<void> {
    try {
      await this.#begin(signal)
    } catch (error) {
      if (!this.#stopped || signal?.aborted) throw error
      await this.#stopped
    }
  }

  /** Subscribed before it is registered: work comes at once. */
  async #begin(signal?: AbortSignal): Promise<void> {
    this.#subscribe(workSubject(this.name), (message) => this.#work(message), this.name)
    this.#subscribe(cancelSubject(this.name), (message) => this.#cancel(message))
    this.#subscribe(runningSubject(this.name), (message) => this.#tellRunning(message))
    this.#subscribe(healthSubject(this.name), (message) => {
      if (message.reply) this.#publish(message.reply, JSON.stringify({ status: 'healthy', ...this.#load() }))
    })
    await this.#nc.flush()
    this.#followConnection()
    const until = signal ? AbortSignal.any([signal, this.#stopping.signal]) : this.#stopping.signal
    this.#mayBeRegistered = true
    await this.#registration.register(until)
    until.throwIfAborted()
    this.#registered = true
    this.#heartbeat()
    let beatAt = performance.now()
    const timer = setInterval(() => {
      const late = performance.now() - beatAt - this.#spec.heartbeatMs
      beatAt = performance.now()
      this.#heartbeat()
      if (late > STALL_MS) void this.#wanted.check()
    }, this.#spec.heartbeatMs)
    this.#owned.defer(() => clearInterval(timer))
  }

  stop(options: StopOptions = {}): Promise<void> {
    if (options.drain === false) this.#now.abort()
    this.#stopped ??= this.#stop(options)
    return this.#stopped
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #stop(options: StopOptions, lost?: Error): Promise<void> {
    this.#log.info({ ...this.#load() }, 'stopping')
    this.#stopping.abort(new DOMException(`the pool ${this.name} was stopped`, 'AbortError'))
    this.#runner.refuseMore()
    const told = lost ? null : this.#deregister(true)
    const limitMs = (options.drainTimeout ?? this.#drainTimeout) * 1000
    await within(limitMs, Promise.race([this.#runner.idle(), aborted(this.#now.signal)]))
    this.#runner.abort()
    await within(ABORT_GRACE_MS, this.#runner.idle())
    this.#runner.answerRest()
    this.#outbox.flush()
    await told
    if (!lost) await this.#leave()
    await this.#owned
      .disposeAsync()
      .catch((error) => this.#log.warn({ err: error }, 'not all was given back'))
    if (this.#ownsConnection) await this.#nc.close()
    this.#log.info({ ...this.#runner.stats }, 'stopped')
    this.#resolveClosed(lost)
  }

  /** The answers are with the server before the registry hears that the pool is gone. */
  async #leave(): Promise<void> {
    this.#heartbeat()
    await this.#flush()
    await this.#deregister(false)
    await this.#flush()
  }

  async #deregister(drain: boolean): Promise<void> {
    if (this.#mayBeRegistered) await this.#registration.deregister(drain)
  }

  async #flush(): Promise<void> {
    await within(
      FLUSH_MS,
      this.#nc.flush().catch(() => {}),
    )
  }

  #work(message: Msg): void {
    if (!message.reply) {
      this.#log.warn({ subject: message.subject }, 'work without a reply subject, which nobody would hear of')
      return
    }
    const work = readWork(message.string(), message.headers)
    this.#runner.accept(work, { subject: message.reply, many: work.many })
  }

  #cancel(message: Msg): void {
    const body: unknown = message.json()
    if (!isJsonObject(body) || typeof body['task_id'] !== 'string') return
    const reason = body['reason']
    this.#runner.cancel(body['task_id'], typeof reason === 'string' ? reason.slice(0, 1024) : null)
  }

  /** Another executor has taken over: it hears what it may have missed, then what still runs. */
  #tellRunning(message: Msg): void {
    if (!message.reply) return
    this.#outbox.sendAgain()
    this.#publish(message.reply, JSON.stringify({ pool: this.name, runs: [...this.#runner.unanswered()] }))
  }

  #heartbeat(): void {
    this.#publish(heartbeatSubject(this.name), JSON.stringify(this.#load()))
  }

  #load(): { current_workers: number; queue_size: number } {
    const { running, queued } = this.#runner.stats
    return { current_workers: running, queue_size: queued }
  }

  #descriptor(instance: string): PoolDescriptor {
    const { descriptor } = this.#spec
    const known = descriptor.metadata['poolmesh']
    const poolmesh = { ...(isJsonObject(known) ? known : {}), batch: true, raw: true, instance }
    return { ...descriptor, ...this.#load(), metadata: { ...descriptor.metadata, poolmesh } }
  }

  #subscribe(subject: string, handle: (message: Msg) => void, queue?: string): void {
    const subscription = this.#nc.subscribe(subject, {
      ...(queue ? { queue } : {}),
      callback: (error, message) => {
        try {
          if (error) throw error
          handle(message)
        } catch (problem) {
          this.#log.warn({ err: problem, subject }, 'a message could not be handled')
        }
      },
    })
    this.#owned.defer(() => subscription.unsubscribe())
  }

  #publish(subject: string, data: Uint8Array | string): void {
    try {
      this.#nc.publish(subject, data)
    } catch (error) {
      this.#log.warn({ err: error, subject }, 'a message could not be sent')
    }
  }

  #reconnected(): void {
    this.#outbox.resume()
    if (!this.#registered) return
    void this.#registration.ensure(this.#stopping.signal).then(() => {
      this.#heartbeat()
      // Whoever waits for the answers may have found the server later than we did.
      this.#outbox.sendAgain()
      return this.#wanted.check()
    })
  }

  /** Follows the connection, and ends the pool when it is lost for good. */
  #followConnection(): void {
    this.#owned.use(followLink(this.#nc, (up) => (up ? this.#reconnected() : this.#outbox.pause())))
    void this.#nc.closed().then((error) => {
      this.#now.abort()
      this.#stopped ??= this.#stop({ drain: false }, error ?? new Error('the connection to NATS was closed'))
    })
  }
}
