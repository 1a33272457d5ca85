// Everything that is told as it happens, wired: who hears what, from one source each.
import { randomBytes } from 'node:crypto'
import type { NatsConnection } from '@nats-io/transport-node'
import type { Logger } from '@poolmesh/bus'
import type { DistributedTaskExecutor } from '@poolmesh/client'
import type { Limits } from '../limits.ts'
import { type Overview, overviewEvent, overviewOf } from '../overview/overview.ts'
import { Sampler } from '../overview/sampler.ts'
import { PoolMirror } from '../pools/mirror.ts'
import { Alerts } from './alerts.ts'
import { Hub } from './hub.ts'
import { PoolFeed } from './pool-feed.ts'
import { TaskFeed } from './task-feed.ts'
import { TaskWatch } from './task-watch.ts'

/** The overview is sampled as if watched for so long after somebody read it. */
const WATCHED_MS = 10_000

export interface LiveOptions {
  nc: NatsConnection
  executor: DistributedTaskExecutor
  heartbeatValidMs: number
  limits: Limits
  log: Logger
}

export class Live implements AsyncDisposable {
  readonly hub: Hub
  readonly #options: LiveOptions
  readonly #parts = new AsyncDisposableStack()
  readonly #tasks: TaskFeed
  readonly #watch: TaskWatch
  readonly #poolFeed: PoolFeed
  #lookedAt = Number.NEGATIVE_INFINITY
  // Opened before this is handed out.
  pools!: PoolMirror
  alerts!: Alerts
  #sampler!: Sampler

  private constructor(options: LiveOptions) {
    this.#options = options
    this.hub = new Hub({
      limits: options.limits,
      epoch: randomBytes(4).toString('hex'),
      alertSequence: () => this.alerts.sequence,
      watched: (topic, listening) => this.#watched(topic, listening),
    })
    this.#tasks = this.#parts.use(new TaskFeed(options.nc, this.hub))
    this.#watch = this.#parts.use(new TaskWatch(this.hub, options.executor))
    this.#poolFeed = new PoolFeed(this.hub, () => this.pools)
  }

  static async open(options: LiveOptions): Promise<Live> {
    const live = new Live(options)
    try {
      await live.#open()
      return live
    } catch (error) {
      await live[Symbol.asyncDispose]()
      throw error
    }
  }

  async #open(): Promise<void> {
    const { nc, executor, heartbeatValidMs, log } = this.#options
    const changed = (name: string): void => this.#poolFeed.changed(name)
    this.pools = this.#parts.use(await PoolMirror.open(nc, heartbeatValidMs, changed, log))
    this.alerts = this.#parts.use(
      await Alerts.open(nc, (alert) => this.hub.publish('alerts', alert, false), log),
    )
    this.#sampler = this.#parts.use(
      await Sampler.open(nc, {
        executor,
        log,
        watched: () => this.hub.hasListeners('overview') || performance.now() - this.#lookedAt < WATCHED_MS,
        sampled: () => {
          if (this.hub.hasListeners('overview'))
            this.hub.publish('overview', overviewEvent(this.#overview()), true)
        },
      }),
    )
  }

  #watched(topic: string, listening: boolean): void {
    if (topic === 'tasks') this.#tasks.listen(listening)
    else if (topic.startsWith('task:')) this.#watch.watch(topic.slice('task:'.length), listening)
  }

  overview(): Overview {
    this.#lookedAt = performance.now()
    return this.#overview()
  }

  #overview(): Overview {
    return overviewOf({ sampler: this.#sampler, pools: this.pools, alerts: this.alerts })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.hub[Symbol.dispose]()
    await this.#parts.disposeAsync()
  }
}
