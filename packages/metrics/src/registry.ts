// The series as prom-client has them, filled when somebody looks.
import type { HistogramReply } from '@poolmesh/types'
import {
  AggregatorRegistry,
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  type HistogramConfiguration,
  type MetricObjectWithValues,
  type MetricType,
  type MetricValue,
  type MetricValueWithName,
  Registry,
} from 'prom-client'
import { type Series, seriesOf, type Teller } from './series.ts'
import type { MetricSources } from './sources.ts'

/** What one process tells, as it goes to another. */
export type MetricsReport = MetricObjectWithValues<MetricValue<string>>[]

/** One whose buckets were counted elsewhere. Without a report it has no values. */
class ReportedHistogram extends Histogram<string> {
  report: HistogramReply | null = null

  readonly #told: Omit<MetricObjectWithValues<MetricValueWithName<string>>, 'values'>

  constructor(options: HistogramConfiguration<string>) {
    super(options)
    const { name, help } = options
    this.#told = { name, help, type: 'histogram' as unknown as MetricType, aggregator: 'sum', collect() {} }
  }

  override get(): Promise<MetricObjectWithValues<MetricValueWithName<string>>> {
    return Promise.resolve({
      ...this.#told,
      values: this.report ? valuesOf(this.#told.name, this.report) : [],
    })
  }

  /** What the registry calls for its text: without it, it would show what the library has counted itself. */
  getForPromString(): Promise<MetricObjectWithValues<MetricValueWithName<string>>> {
    return this.get()
  }
}

function valuesOf(name: string, { count, sum_ms, buckets }: HistogramReply): MetricValueWithName<string>[] {
  const bucket = (le: number | string, value: number) => ({
    metricName: `${name}_bucket`,
    labels: { le },
    value,
  })
  return [
    ...buckets.flatMap(({ le, count: under }) => (le === null ? [] : [bucket(le / 1_000, under)])),
    bucket('+Inf', count),
    { metricName: `${name}_sum`, labels: {}, value: sum_ms / 1_000 },
    { metricName: `${name}_count`, labels: {}, value: count },
  ]
}

export interface MetricsOptions {
  sources: MetricSources
  /** Whose series may be told. */
  tellers: readonly Teller[]
  /** Label `service` of every series; left out: none, and nothing of the process itself. */
  service?: string | undefined
}

export class Metrics {
  readonly #sources: MetricSources
  readonly #registry = new Registry()
  readonly #metrics = new Map<string, Counter | Gauge | ReportedHistogram>()
  /** One look at a time: the next would empty what this one is reading. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor({ sources, tellers, service }: MetricsOptions) {
    this.#sources = sources
    for (const [name, series] of seriesOf(tellers)) this.#metrics.set(name, this.#make(name, series))
    if (service === undefined) return
    this.#registry.setDefaultLabels({ service })
    collectDefaultMetrics({ register: this.#registry })
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** In Prometheus's text format. */
  text(): Promise<string> {
    return this.#inTurn(() => this.#registry.metrics())
  }

  report(): Promise<MetricsReport> {
    return this.#inTurn(() => this.#registry.getMetricsAsJSON())
  }

  #make(name: string, { type, help, labels }: Series): Counter | Gauge | ReportedHistogram {
    const options = { name, help, labelNames: labels, registers: [this.#registry] }
    if (type === 'counter') return new Counter(options)
    if (type === 'gauge') return new Gauge(options)
    return new ReportedHistogram(options)
  }

  #inTurn<T>(look: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(async () => {
      await this.#read()
      return await look()
    })
    this.#turn = turn.catch(() => {})
    return turn
  }

  async #read(): Promise<void> {
    for (const metric of this.#metrics.values()) {
      if (metric instanceof ReportedHistogram) metric.report = null
      else {
        metric.reset()
        // What is not known is no zero, which the library would show of a series without labels.
        metric.remove({})
      }
    }
    await this.#sources.tell((name, value, labels = {}) => this.#set(name, value, labels))
  }

  #set(name: string, value: number | HistogramReply, labels: Record<string, string>): void {
    const metric = this.#metrics.get(name)
    if (!metric) throw new TypeError(`the series ${name} is not declared`)
    if (metric instanceof ReportedHistogram) {
      if (typeof value !== 'number') metric.report = value
    } else if (typeof value !== 'number') throw new TypeError(`the series ${name} is no histogram`)
    else if (metric instanceof Counter) metric.inc(labels, value)
    else metric.set(labels, value)
  }
}

/** What several processes told, as one text. */
export const mergedText = (reports: MetricsReport[]): Promise<string> =>
  AggregatorRegistry.aggregate(reports).metrics()
