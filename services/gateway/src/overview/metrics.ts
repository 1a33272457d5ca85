// What the system does as a whole: made of the executors' own counters when it is asked for, so that tasks pay nothing for it.
// The labels have few values each, however many pools and types of task there are.
import type { TellMetric } from '@poolmesh/bus'
import type { DistributedTaskExecutor } from '@poolmesh/client'
import { isTerminal } from '@poolmesh/types'
import type { Live } from '../live/live.ts'

/** Below what a look at metrics waits. */
const STATS_MS = 1_500

/** Where no executor answers its metrics are left out, since what is not known is no zero. */
export const systemMetrics =
  (live: Pick<Live, 'overview'>, executor: Pick<DistributedTaskExecutor, 'getExecutorStats'>) =>
  async (tell: TellMetric): Promise<void> => {
    const { backlog, pools, slots } = live.overview()
    tell('poolmesh_pools', pools.healthy, { health: 'healthy' })
    tell('poolmesh_pools', pools.degraded, { health: 'degraded' })
    tell('poolmesh_pools', pools.unhealthy, { health: 'unavailable' })
    tell('poolmesh_slots', slots.total)
    tell('poolmesh_slots_used', slots.used)
    const stats = await executor.getExecutorStats({ timeoutMs: STATS_MS }).catch(() => null)
    tell('poolmesh_executor_up', stats === null ? 0 : 1)
    if (stats === null) return
    for (const [status, count] of Object.entries(stats.task_status_breakdown))
      tell(isTerminal(status) ? 'poolmesh_tasks_ended_total' : 'poolmesh_tasks', count, { status })
    for (const { lane, pending } of backlog) tell('poolmesh_backlog_tasks', pending, { lane })
    tell('poolmesh_task_queue_seconds', stats.queue_time)
    tell('poolmesh_task_run_seconds', stats.run_time)
  }
