import {
  type ExecutorStatsReply,
  type HealthStatsReply,
  type HistogramReply,
  isTerminal,
  type PoolStatsReply,
} from '@poolmesh/types'
import { showFields } from '../output.ts'
import { formatSeconds } from './seconds.ts'

export interface Stats {
  pools: PoolStatsReply
  tasks: ExecutorStatsReply
  health: HealthStatsReply
}

/** Capabilities that are named; a system may have thousands. */
const CAPABILITIES = 10

export const formatStats = ({ pools, tasks, health }: Stats): string =>
  showFields([
    ['pools', `${pools.total_pools}, ${pools.total_pools - pools.active_pools || 'none'} unavailable`],
    ['by type', counts(pools.pool_types)],
    ['by capability', counts(pools.capabilities, CAPABILITIES)],
    ['tasks now', String(tasks.active_tasks)],
    ['tasks ended', counts(ended(tasks.task_status_breakdown))],
    ['waited', times(tasks.queue_time)],
    ['ran', times(tasks.run_time)],
    ['health checks', `${health.total_health_checks}, every ${health.check_interval} s`],
  ])

const ended = (byStatus: Record<string, number>): Record<string, number> =>
  Object.fromEntries(Object.entries(byStatus).filter(([status, count]) => isTerminal(status) && count > 0))

/** The most frequent first. */
function counts(counted: Record<string, number>, most = Number.POSITIVE_INFINITY): string {
  const all = Object.entries(counted).sort(([, a], [, b]) => b - a)
  const shown = all.slice(0, most).map(([name, count]) => `${name} ${count}`)
  if (all.length > most) shown.push(`and ${all.length - most} more`)
  return shown.join(', ') || '-'
}

function times(histogram: HistogramReply): string {
  const { count, sum_ms } = histogram
  if (count === 0) return '-'
  const average = formatSeconds(sum_ms / count / 1_000)
  return `${average} on average, half within ${bound(histogram, 0.5)}, 95 % within ${bound(histogram, 0.95)}`
}

/** The smallest upper bound that so many are within. */
function bound({ count, buckets }: HistogramReply, share: number): string {
  const le = buckets.find((bucket) => bucket.count >= count * share)?.le ?? null
  return le === null ? 'more' : formatSeconds(le / 1_000)
}
