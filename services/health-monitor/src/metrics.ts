import type { TellMetric } from '@poolmesh/bus'
import { namedPools } from '@poolmesh/metrics'
import { HealthStatus } from '@poolmesh/types'
import type { HealthMonitor } from './monitor.ts'

const STATUSES = Object.values(HealthStatus)

export const monitorMetrics =
  (monitor: HealthMonitor, malformed: () => number) =>
  (tell: TellMetric): void => {
    const pools = [...monitor.pools()]
    for (const status of STATUSES)
      tell('poolmesh_health_pools', pools.filter(({ breaker }) => breaker.status === status).length, {
        status,
      })
    const { heard, missed, late } = monitor.heartbeats
    tell('poolmesh_health_heartbeats_total', heard)
    tell('poolmesh_health_heartbeats_missed_total', missed)
    tell('poolmesh_health_pools_late', late)
    tell('poolmesh_health_checks_total', monitor.totalChecks)
    tell('poolmesh_health_malformed_total', malformed())
    for (const one of namedPools(pools)) {
      const { breaker, name: pool } = one
      for (const status of STATUSES)
        tell('poolmesh_health_pool_status', breaker.status === status ? 1 : 0, { pool, status })
      tell('poolmesh_health_pool_breaker_open', breaker.status === 'unavailable' ? 1 : 0, { pool })
      tell('poolmesh_health_pool_flapping', breaker.flapping ? 1 : 0, { pool })
      const age = monitor.heartbeatAge(one)
      if (age !== null) tell('poolmesh_health_pool_heartbeat_age_seconds', age / 1_000, { pool })
    }
  }
