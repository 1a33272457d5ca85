// The metrics of one process: of its services, its connections and of Node itself, on an address of their own and for the
// supervisor that started it.
import type { NatsConnection } from '@nats-io/transport-node'
import { isConnected, type Logger, type Settings } from '@poolmesh/bus'
import { loadRegistry, MetricSources, type Metrics, serveMetrics, type Teller } from '@poolmesh/metrics'
import { activeTracing } from '@poolmesh/tracing'
import type { ServiceName } from './services.ts'

/** What the supervisor asks a service for; the answer is `{ metrics }`. */
export const ASK_METRICS = 'metrics'

export class ProcessMetrics {
  readonly sources = new MetricSources()
  readonly #services: readonly ServiceName[]
  #metrics: Promise<Metrics> | null = null

  constructor(services: readonly ServiceName[]) {
    this.#services = services
    this.sources.source((tell) => {
      tell('poolmesh_process_id', process.pid)
      for (const [outcome, count] of Object.entries(activeTracing()?.exported ?? {}))
        tell('poolmesh_trace_spans_total', count, { outcome })
    })
  }

  connection(name: string, nc: NatsConnection): void {
    const connection = { connection: name }
    this.sources.source(async (tell) => {
      tell('poolmesh_broker_connected', 0, connection)
      if (!isConnected(nc)) return
      const ms = await nc.rtt()
      tell('poolmesh_broker_connected', 1, connection)
      tell('poolmesh_broker_round_trip_seconds', ms / 1_000, connection)
    })
  }

  /** On the address that the settings name; on none where they name no port. */
  async serve({ poolmesh }: Settings, log: Logger): Promise<AsyncDisposable | null> {
    if (poolmesh.metrics_port === 0) return null
    const metrics = await this.#load()
    const server = await serveMetrics(poolmesh, () => metrics.text())
    log.info({ url: server.url }, 'metrics')
    return server
  }

  /** Answers whoever started this process, for as long as it lives. */
  answerSupervisor(): void {
    if (!process.send) return
    process.on('message', (message) => {
      if (message !== ASK_METRICS) return
      void this.#load()
        .then((metrics) => metrics.report())
        .catch(() => [])
        .then((metrics) => process.send?.({ metrics }, undefined, undefined, () => {}))
    })
  }

  #load(): Promise<Metrics> {
    this.#metrics ??= this.#make()
    return this.#metrics
  }

  async #make(): Promise<Metrics> {
    const { Metrics } = await loadRegistry()
    const own: Teller[] = [...this.#services]
    const [only, ...more] = own
    return new Metrics({
      sources: this.sources,
      tellers: ['every', ...own, ...(own.includes('gateway') ? ['system' as const] : [])],
      service: more.length === 0 && only !== undefined ? only : 'poolmesh',
    })
  }
}
