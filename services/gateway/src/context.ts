import type { ServiceContext } from '@poolmesh/bus'
import type { DistributedTaskExecutor, PoolHealthMonitor, PoolRegistry } from '@poolmesh/client'
import type { HttpTraces } from './http/traces.ts'
import type { Limits } from './limits.ts'
import type { Live } from './live/live.ts'

/** What routes work with. */
export interface Gateway extends ServiceContext {
  executor: DistributedTaskExecutor
  registry: PoolRegistry
  monitor: PoolHealthMonitor
  live: Live
  /** Null where traces are off. */
  traces: HttpTraces | null
  limits: Limits
  /** The system as a whole, for Prometheus. */
  metricsText(): Promise<string>
}
