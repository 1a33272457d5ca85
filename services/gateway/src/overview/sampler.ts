// How much happens: the executors' own counters, read every few seconds. Nothing is counted here, so that results may pass
// by at any rate without a cost.
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { FANOUT_CONSUMER, type Logger } from '@poolmesh/bus'
import type { DistributedTaskExecutor } from '@poolmesh/client'
import { type ExecutorStatsReply, type HistogramReply, LANES, STREAMS } from '@poolmesh/types'
import { between, type Quantiles, quantilesOf } from './quantiles.ts'

interface Rates {
  submitted: number
  completed: number
  failed: number
}
export interface Moment extends Rates {
  /** RFC 3339. */
  t: string
  p50: number | null
  p99: number | null
  pending: number
}
export interface Activity {
  rates: Rates
  latency_ms: Quantiles
  queue_ms: Quantiles
  backlog: { lane: string; pending: number }[]
  tasks: { pending: number; running: number }
  executors: number
  history: Moment[]
}

interface Sample {
  at: number
  stats: ExecutorStatsReply
}

/** While somebody looks, and while nobody does. */
const WATCHED_MS = 1_000
const UNWATCHED_MS = 5_000
const MOMENT_MS = 5_000
/** 15 minutes. */
const MOMENTS = 180
/** Rates and latencies are of that long. */
const SPAN_MS = 5_000

const NO_RATES: Rates = { submitted: 0, completed: 0, failed: 0 }
const NO_HISTOGRAM: HistogramReply = { count: 0, sum_ms: 0, buckets: [] }

export class Sampler implements Disposable {
  readonly #jsm: JetStreamManager
  readonly #executor: DistributedTaskExecutor
  readonly #log: Logger
  readonly #watched: () => boolean
  readonly #sampled: () => void
  /** Of the last seconds, oldest first. */
  #samples: Sample[] = []
  #moment: Sample | null = null
  readonly #history: Moment[] = []
  #backlog: Activity['backlog'] = []
  #timer: NodeJS.Timeout | undefined
  #closed = false
  #failing = false

  private constructor(jsm: JetStreamManager, options: SamplerOptions) {
    this.#jsm = jsm
    this.#executor = options.executor
    this.#log = options.log
    this.#watched = options.watched
    this.#sampled = options.sampled
  }

  static async open(nc: NatsConnection, options: SamplerOptions): Promise<Sampler> {
    const sampler = new Sampler(await jetstreamManager(nc, { checkAPI: false }), options)
    void sampler.#run()
    return sampler
  }

  /** Samples again and again, never twice at a time. */
  async #run(): Promise<void> {
    while (!this.#closed) {
      const began = performance.now()
      await this.#sample()
      for (;;) {
        const wait = (this.#watched() ? WATCHED_MS : UNWATCHED_MS) - (performance.now() - began)
        if (wait <= 0 || this.#closed) break
        const { promise, resolve } = Promise.withResolvers<void>()
        // Somebody who begins to look does not wait for the longer interval.
        this.#timer = setTimeout(resolve, Math.min(wait, WATCHED_MS))
        await promise
      }
    }
  }

  async #sample(): Promise<void> {
    try {
      const [stats, backlog] = await Promise.all([
        this.#executor.getExecutorStats({ timeoutMs: 4_000 }),
        readBacklog(this.#jsm),
      ])
      if (this.#closed) return
      this.#failing = false
      this.#backlog = backlog
      this.#take({ at: performance.now(), stats })
    } catch (error) {
      if (this.#closed) return
      if (!this.#failing)
        this.#log.warn({ reason: (error as Error).message }, 'the executors cannot be asked what they do')
      this.#failing = true
      // What is not known is no zero: the history has a gap, and the span begins anew.
      this.#samples = []
      this.#moment = null
    }
    this.#sampled()
  }

  #take(sample: Sample): void {
    this.#samples.push(sample)
    while (this.#samples.length > 2 && sample.at - this.#samples[1]!.at >= SPAN_MS) this.#samples.shift()
    this.#moment ??= sample
    if (sample.at - this.#moment.at < MOMENT_MS - WATCHED_MS / 2) return
    const { p50, p99 } = quantilesOf(between(this.#moment.stats.run_time, sample.stats.run_time))
    this.#remember({
      t: new Date().toISOString(),
      ...ratesBetween(this.#moment, sample),
      p50,
      p99,
      pending: sample.stats.task_status_breakdown['pending'] ?? 0,
    })
    this.#moment = sample
  }

  #remember(moment: Moment): void {
    const last = this.#history.at(-1)
    if (last && Date.parse(moment.t) - Date.parse(last.t) < MOMENT_MS / 2) return
    this.#history.push(moment)
    if (this.#history.length > MOMENTS) this.#history.shift()
  }

  activity(): Activity {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)]
    const known = first !== undefined && last !== undefined
    const span = (key: 'run_time' | 'queue_time'): Quantiles =>
      quantilesOf(known ? between(first === last ? null : first.stats[key], last.stats[key]) : NO_HISTOGRAM)
    const breakdown = last?.stats.task_status_breakdown ?? {}
    const executors = last?.stats['executors']
    return {
      rates: known && first !== last ? ratesBetween(first, last) : NO_RATES,
      latency_ms: span('run_time'),
      queue_ms: span('queue_time'),
      backlog: this.#backlog,
      tasks: { pending: breakdown['pending'] ?? 0, running: breakdown['running'] ?? 0 },
      executors: typeof executors === 'number' ? executors : 0,
      history: this.#history,
    }
  }

  [Symbol.dispose](): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }
}

export interface SamplerOptions {
  executor: DistributedTaskExecutor
  log: Logger
  /** Whether somebody looks now. */
  watched(): boolean
  /** Called after each sample. */
  sampled(): void
}

/** A second. An executor that was started anew counts from zero: what it did before is not taken for less than nothing. */
function ratesBetween(before: Sample, after: Sample): Rates {
  const seconds = (after.at - before.at) / 1_000
  if (seconds <= 0) return NO_RATES
  const of = (status: string): number =>
    Math.max(
      0,
      (after.stats.task_status_breakdown[status] ?? 0) - (before.stats.task_status_breakdown[status] ?? 0),
    )
  const completed = of('completed')
  const failed = of('failed') + of('timeout')
  const grown = after.stats.active_tasks - before.stats.active_tasks
  const submitted = Math.max(0, completed + failed + of('cancelled') + grown)
  const rate = (count: number): number => Math.round((count / seconds) * 10) / 10
  return { submitted: rate(submitted), completed: rate(completed), failed: rate(failed) }
}

/** What waits in the stream, by lane: what is parked comes back into its lane. Tasks of one message count as one. */
async function readBacklog(jsm: JetStreamManager): Promise<Activity['backlog']> {
  const pending = new Map<string, number>([...LANES, 'fanout'].map((lane) => [lane, 0]))
  for await (const info of jsm.consumers.list(STREAMS.tasks)) {
    const lane = info.name === FANOUT_CONSUMER ? 'fanout' : /^lane-([a-z]+)/.exec(info.name)?.[1]
    if (lane === undefined || !pending.has(lane)) continue
    pending.set(lane, (pending.get(lane) ?? 0) + info.num_pending + info.num_ack_pending)
  }
  return [...pending].map(([lane, count]) => ({ lane, pending: count }))
}
