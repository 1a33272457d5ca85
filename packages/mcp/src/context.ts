import type { NatsConnection } from '@nats-io/transport-node'
import type { DistributedTaskExecutor, PoolHealthMonitor, PoolRegistry } from '@poolmesh/client'
import type { SpawnedPools } from './spawned-pools.ts'

/** What the tools work with; all of it stays the caller's. */
export interface ToolContext {
  nc: NatsConnection
  executor: DistributedTaskExecutor
  registry: PoolRegistry
  monitor: PoolHealthMonitor
  /** What pool_spawn made. */
  spawned: SpawnedPools
}
