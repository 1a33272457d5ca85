import type { NatsConnection } from '@nats-io/transport-node'
import type { HistogramReply } from '@poolmesh/types'
import type { Logger } from 'pino'
import type { Settings } from './settings.ts'

/** The value of a series now; for a histogram what its buckets have counted. The names and labels are declared in `@poolmesh/metrics`. */
export type TellMetric = (
  name: string,
  value: number | HistogramReply,
  labels?: Record<string, string>,
) => void

/** Where a service says what it has counted. It is asked when somebody looks, and at no other time. */
export interface MetricsSink {
  /** @param read where it fails, what it had told by then is shown */
  source(read: (tell: TellMetric) => void | Promise<void>): void
}

/** What every service is started with. The connection belongs to the caller, who closes it last. */
export interface ServiceContext {
  nc: NatsConnection
  settings: Settings
  log: Logger
  /** Left out where nobody looks at metrics. */
  metrics?: MetricsSink | undefined
}

/** Starts a service; it answers when the promise resolves. Disposing it stops it cleanly, within seconds. */
export type StartService = (context: ServiceContext) => Promise<AsyncDisposable>
