// What the system does, in Prometheus's text format: made of the executors' own counters when it is asked for, so that tasks
// pay nothing for it. The labels have few values each, however many pools and types of task there are.
import type { ExecutorStatsReply, HistogramReply } from '@poolmesh/types'
import type { Overview } from './overview.ts'

/** The others are no end, and stand in a gauge. */
const ENDED = ['completed', 'failed', 'timeout', 'cancelled']

/** @param stats null where no executor answered: its metrics are left out, since what is not known is no zero */
export function metricsOf(
  overview: Pick<Overview, 'backlog' | 'pools' | 'slots'>,
  stats: ExecutorStatsReply | null,
): string {
  const { backlog, pools, slots } = overview
  const lines = [
    ...family('poolmesh_executor_up', 'gauge', 'Whether an executor answered (1) or not (0).', [
      ['', stats === null ? 0 : 1],
    ]),
    ...family('poolmesh_pools', 'gauge', 'Registered pools by health.', [
      ['{health="healthy"}', pools.healthy],
      ['{health="degraded"}', pools.degraded],
      ['{health="unavailable"}', pools.unhealthy],
    ]),
    ...family('poolmesh_slots', 'gauge', 'Tasks that the available pools can run at a time.', [
      ['', slots.total],
    ]),
    ...family('poolmesh_slots_used', 'gauge', 'Of these, those that are taken.', [['', slots.used]]),
  ]
  if (stats !== null) lines.push(...ofExecutors(stats, backlog))
  return `${lines.join('\n')}\n`
}

function ofExecutors(stats: ExecutorStatsReply, backlog: Overview['backlog']): string[] {
  const count = (status: string): number => stats.task_status_breakdown[status] ?? 0
  return [
    ...family(
      'poolmesh_tasks_ended_total',
      'counter',
      'Tasks that ended since the executors started, by status.',
      ENDED.map((status) => [`{status="${status}"}`, count(status)]),
    ),
    ...family(
      'poolmesh_tasks',
      'gauge',
      'Tasks that wait or run now.',
      ['pending', 'running'].map((status) => [`{status="${status}"}`, count(status)]),
    ),
    ...family(
      'poolmesh_backlog_tasks',
      'gauge',
      'What is pending, by lane.',
      backlog.map(({ lane, pending }) => [`{lane="${lane}"}`, pending]),
    ),
    ...histogram('poolmesh_task_queue_seconds', 'How long tasks waited for a pool.', stats.queue_time),
    ...histogram('poolmesh_task_run_seconds', 'How long pools took.', stats.run_time),
  ]
}

function family(name: string, type: string, help: string, samples: [labels: string, value: number][]) {
  return [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...samples.map(([labels, value]) => `${name}${labels} ${value}`),
  ]
}

function histogram(name: string, help: string, { count, sum_ms, buckets }: HistogramReply): string[] {
  const bounded = buckets.filter(({ le }) => le !== null)
  return [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} histogram`,
    ...bounded.map((bucket) => `${name}_bucket{le="${(bucket.le ?? 0) / 1_000}"} ${bucket.count}`),
    `${name}_bucket{le="+Inf"} ${count}`,
    `${name}_sum ${sum_ms / 1_000}`,
    `${name}_count ${count}`,
  ]
}
