// A pool behind HTTP in place of the bus: the server that executors' HTTP adapter talks to, and its end.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createLogger, type Logger, Progress } from '@poolmesh/bus'
import { MAX_PAYLOAD_BYTES, type PoolDescriptor, PoolmeshError } from '@poolmesh/types'
import { type PoolDefinition, type PoolSpec, specOf } from '../definition.ts'
import type { StopOptions } from '../pool.ts'
import { progressOf } from '../run.ts'
import { type PoolStats, Runner } from '../runner.ts'
import { onStopSignals } from '../signals.ts'
import { aborted, within } from '../waiting.ts'
import { accessBy, isLoopback } from './access.ts'
import { routes } from './routes.ts'
import { HttpRuns } from './runs.ts'

const DEFAULT_DRAIN_S = 10
const DEFAULT_KEPT_S = 600
const DEFAULT_KEPT_RESULTS = 10_000
/** Of characters, which are bytes in most results. */
const DEFAULT_KEPT_BYTES = 256 * 1024 ** 2
/** A task with the largest payload, and what is around it. */
const DEFAULT_MAX_BODY_BYTES = MAX_PAYLOAD_BYTES + 64 * 1024
const REQUEST_MS = 60_000
const MAX_CONNECTIONS = 4_096
/** Handlers that are told to stop have this long to do so before the pool goes without them. */
const ABORT_GRACE_MS = 500
/** Executors ask for a result every 2.5 s at least. */
const LAST_ANSWERS_MS = 3_000
const POLL_MS = 20

export interface ServeHttpOptions {
  /** Default 0, any that is free: `endpoint` says which. */
  port?: number
  /** Default 127.0.0.1. Another than this machine's own needs a `token`. */
  host?: string
  /** What requests have to bring as `authorization: Bearer …`; only `GET /health` is open. */
  token?: string
  /** Where others reach it, for `GET /pools`; default: its own address. */
  endpoint?: string
  /** Tasks that wait for a worker before more are refused with 503; default 0. */
  queueLimit?: number
  /** Default: 64 MiB and a little. */
  maxBodyBytes?: number
  /** Results are kept for who asks: seconds (default 600), how many (10,000), and bytes of all (256 MiB). */
  keep?: { seconds?: number; results?: number; bytes?: number }
  /** Default: lines on standard output. */
  log?: Logger
  /** Drain on SIGTERM and SIGINT, stop at once on the second; default true. */
  handleSignals?: boolean
  /** Seconds that runs have to end when the pool drains; default 10. */
  drainTimeout?: number
}

export interface ServedPool extends AsyncDisposable {
  readonly name: string
  /** To register it with, as `pool_type` `mahavishnu`. */
  readonly endpoint: string
  readonly stats: PoolStats
  /** Resolves when it has stopped. */
  readonly closed: Promise<void>
  /** A second call that does not drain stops what still runs. Never rejects. */
  stop(options?: StopOptions): Promise<void>
}

/**
 * Serves a pool over HTTP; it needs no connection to NATS, and is registered by who runs poolmesh, or discovered.
 * @throws PoolmeshError INVALID_INPUT for an address that others reach and no token
 * @throws Error when the port is taken
 */
export async function serveHttp(pool: PoolDefinition, options: ServeHttpOptions = {}): Promise<ServedPool> {
  const spec = specOf(pool)
  const { host = '127.0.0.1', port = 0, token } = options
  if (!isLoopback(host) && !token)
    throw new PoolmeshError('INVALID_INPUT', `a pool that listens on ${host} needs a token`, [
      { path: 'token', message: 'is missing' },
    ])
  const served = new Served(spec, options)
  await served.listen(host, port)
  return served
}

class Served implements ServedPool {
  readonly name: string
  readonly closed: Promise<void>
  readonly #spec: PoolSpec
  readonly #options: ServeHttpOptions
  readonly #log: Logger
  readonly #runner: Runner
  readonly #runs: HttpRuns
  readonly #server: Server
  readonly #owned = new DisposableStack()
  /** Aborted when what runs is to be stopped. */
  readonly #now = new AbortController()
  #endpoint = ''
  #stopped: Promise<void> | null = null
  #resolveClosed: () => void = () => {}

  constructor(spec: PoolSpec, options: ServeHttpOptions) {
    const { name, max_workers } = spec.descriptor
    const { queueLimit = 0, keep = {}, token, maxBodyBytes = DEFAULT_MAX_BODY_BYTES } = options
    this.name = name
    this.#spec = spec
    this.#options = options
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
    const log = options.log ?? createLogger(`pool ${name}`, process.env['POOLMESH_LOG_LEVEL'] ?? 'info')
    this.#log = log.child({ pool_name: name })
    const progress = this.#owned.use(new Progress((_, text) => this.#runs.progress(text), progressOf(name)))
    const limits = {
      ms: (keep.seconds ?? DEFAULT_KEPT_S) * 1000,
      count: keep.results ?? DEFAULT_KEPT_RESULTS,
      bytes: keep.bytes ?? DEFAULT_KEPT_BYTES,
    }
    this.#runs = new HttpRuns(
      max_workers + queueLimit,
      limits,
      (outbox) =>
        new Runner({
          pool: name,
          handler: spec.handler,
          maxWorkers: max_workers,
          queueLimit,
          outbox,
          progress,
          claims: null,
          maxMessage: () => Number.POSITIVE_INFINITY,
          log: this.#log,
        }),
    )
    this.#runner = this.#owned.use(this.#runs.runner)
    this.#server = createServer(
      { requestTimeout: REQUEST_MS },
      routes({
        runs: this.#runs,
        access: accessBy(token),
        maxBodyBytes,
        descriptor: () => this.#descriptor(),
        isStopping: () => this.#stopped !== null,
        log: this.#log,
      }),
    )
    this.#server.maxConnections = MAX_CONNECTIONS
  }

  async listen(host: string, port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject).listen(port, host, resolve)
    })
    const { port: bound } = this.#server.address() as AddressInfo
    const written = host.includes(':') ? `[${host.replace(/^\[|\]$/g, '')}]` : host
    this.#endpoint = this.#options.endpoint ?? `http://${written}:${bound}`
    if (this.#options.handleSignals ?? true)
      this.#owned.use(
        onStopSignals(
          () => void this.stop(),
          () => void this.stop({ drain: false }),
        ),
      )
    this.#log.info({ endpoint: this.#endpoint }, 'served')
  }

  get endpoint(): string {
    return this.#endpoint
  }

  get stats(): PoolStats {
    return this.#runner.stats
  }

  #descriptor(): PoolDescriptor {
    const { running, queued } = this.stats
    return {
      ...this.#spec.descriptor,
      pool_type: 'mahavishnu',
      endpoint: this.#endpoint,
      current_workers: running,
      queue_size: queued,
    }
  }

  stop(options: StopOptions = {}): Promise<void> {
    if (options.drain === false) this.#now.abort()
    this.#stopped ??= this.#stop(options)
    return this.#stopped
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** It is asked for results until the end. */
  async #stop(options: StopOptions): Promise<void> {
    this.#log.info('stopping')
    this.#runs.stop()
    this.#runner.refuseMore()
    const limitMs = (options.drainTimeout ?? this.#options.drainTimeout ?? DEFAULT_DRAIN_S) * 1000
    await within(limitMs, Promise.race([this.#runner.idle(), aborted(this.#now.signal)]))
    this.#runner.abort()
    await within(ABORT_GRACE_MS, this.#runner.idle())
    this.#runner.answerRest()
    await this.#lastAnswers()
    this.#owned.dispose()
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
    this.#log.info({ ...this.stats }, 'stopped')
    this.#resolveClosed()
  }

  async #lastAnswers(): Promise<void> {
    const end = performance.now() + LAST_ANSWERS_MS
    while (this.#runs.hasUnread(LAST_ANSWERS_MS) && performance.now() < end)
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}
