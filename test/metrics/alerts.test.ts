// The alert rules, each tried by promtool on series that raise it and no other, and on the same just before.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { ROOT, read } from '../documents/markdown.ts'
import { alertsOf, RULES, withoutPrometheus } from './prometheus.ts'

/** All is well: no alert. */
const WELL: Record<string, string> = {
  'up{job="poolmesh",instance="a"}': '1x60',
  'poolmesh_executor_dispatching{service="executor"}': '1x60',
  'poolmesh_registry_pools_active{service="registry"}': '3x60',
  'poolmesh_health_checks_total{service="health-monitor"}': '0+10x60',
  'poolmesh_executor_slots{service="executor"}': '8x60',
  'poolmesh_executor_slots_used{service="executor"}': '4x60',
  'poolmesh_executor_tasks{service="executor",status="pending"}': '0x60',
  'poolmesh_executor_tasks_ended_total{service="executor",status="completed"}': '0+600x60',
  'poolmesh_executor_tasks_ended_total{service="executor",status="failed"}': '0+6x60',
  'poolmesh_backlog_tasks{service="gateway",lane="normal"}': '500x60',
}

interface Case {
  alert: string
  /** Instead of those of {@link WELL}, or besides; null: it is not there. */
  series: Record<string, string | null>
  /** When it fires first, in minutes; a minute before it does not. */
  at: number
}

const CASES: Case[] = [
  { alert: 'PoolmeshDown', series: { 'up{job="poolmesh",instance="a"}': '1x9 0x50' }, at: 11 },
  {
    alert: 'PoolmeshNoExecutor',
    series: { 'poolmesh_executor_dispatching{service="executor"}': '1x9 0x50' },
    at: 11,
  },
  {
    alert: 'PoolmeshNoRegistry',
    series: { 'poolmesh_registry_pools_active{service="registry"}': null },
    at: 1,
  },
  {
    alert: 'PoolmeshNoHealthMonitor',
    series: { 'poolmesh_health_checks_total{service="health-monitor"}': null },
    at: 1,
  },
  {
    alert: 'PoolmeshEventLoopLag',
    series: { 'nodejs_eventloop_lag_p99_seconds{job="poolmesh",service="executor"}': '0.1x9 0.8x50' },
    at: 15,
  },
  {
    alert: 'PoolmeshBrokerLost',
    series: { 'poolmesh_broker_connected{connection="executor"}': '1x9 0x50' },
    at: 11,
  },
  {
    alert: 'PoolmeshBrokerSlow',
    series: { 'poolmesh_broker_round_trip_seconds{connection="executor"}': '0.01x9 0.5x50' },
    at: 15,
  },
  {
    alert: 'PoolmeshNoPoolForTasks',
    series: { 'poolmesh_executor_tasks_without_pool{service="executor"}': '0x9 4x50' },
    at: 12,
  },
  {
    alert: 'PoolmeshBacklogGrows',
    series: { 'poolmesh_backlog_tasks{service="gateway",lane="low"}': '900+100x60' },
    at: 20,
  },
  {
    alert: 'PoolmeshTasksFail',
    series: { 'poolmesh_executor_tasks_ended_total{service="executor",status="timeout"}': '0+100x60' },
    at: 6,
  },
  {
    alert: 'PoolmeshQueueSlow',
    series: {
      'poolmesh_executor_task_queue_seconds_bucket{le="60"}': '0+1x60',
      'poolmesh_executor_task_queue_seconds_bucket{le="300"}': '0+10x60',
      'poolmesh_executor_task_queue_seconds_bucket{le="+Inf"}': '0+10x60',
    },
    at: 11,
  },
  {
    alert: 'PoolmeshDeadLetters',
    series: { 'poolmesh_executor_dead_letters{service="executor"}': '0x9 2x50' },
    at: 11,
  },
  {
    alert: 'PoolmeshMemoryBehind',
    series: { 'poolmesh_memory_failures_in_row{destination="akosha"}': '0x9 9x50' },
    at: 20,
  },
  {
    alert: 'PoolmeshPoolUnhealthy',
    series: { 'poolmesh_health_pool_status{pool="p",status="degraded"}': '0x9 1x50' },
    at: 15,
  },
  {
    alert: 'PoolmeshBreakerOpen',
    series: { 'poolmesh_health_pool_breaker_open{pool="p"}': '0x9 1x50' },
    at: 11,
  },
  {
    alert: 'PoolmeshPoolFlapping',
    series: { 'poolmesh_health_pool_flapping{pool="p"}': '0x9 1x50' },
    at: 11,
  },
  {
    alert: 'PoolmeshHeartbeatsMissing',
    series: { 'poolmesh_health_heartbeats_missed_total{service="health-monitor"}': '0x9 1x50' },
    at: 10,
  },
  {
    alert: 'PoolmeshNoSlots',
    series: {
      'poolmesh_executor_slots{service="executor"}': '8x9 0x50',
      'poolmesh_executor_slots_used{service="executor"}': '0x60',
      'poolmesh_executor_tasks{service="executor",status="pending"}': '3x60',
    },
    at: 12,
  },
  {
    alert: 'PoolmeshSlotsTaken',
    series: { 'poolmesh_executor_slots_used{service="executor"}': '4x9 8x50' },
    at: 25,
  },
]

const firing = (at: number, alerts: string[]) => ({
  expr: 'sum by (alertname) (clamp_max(ALERTS{alertstate="firing"}, 1))',
  eval_time: `${at}m`,
  exp_samples: alerts.map((alertname) => ({ labels: `{alertname="${alertname}"}`, value: 1 })),
})

const missing = withoutPrometheus()

test('each rule has a case, a severity, a section of the operations page, and a line for those who set it up', () => {
  const { groups } = parse(readFileSync(RULES, 'utf8')) as {
    groups: {
      rules: { alert?: string; labels?: { severity?: string }; annotations?: { runbook?: string } }[]
    }[]
  }
  const sections = [...read('docs/operations.md').matchAll(/^## (.*)$/gm)].map(([, title]) =>
    title!.toLowerCase().replaceAll(' ', '-'),
  )
  for (const { alert, labels, annotations } of groups.flatMap(({ rules }) => rules)) {
    if (alert === undefined) continue
    expect(['critical', 'warning'], alert).toContain(labels?.severity)
    expect(sections, alert).toContain(annotations?.runbook)
  }
  const names = alertsOf(readFileSync(RULES, 'utf8')).toSorted()
  expect(CASES.map(({ alert }) => alert).toSorted()).toEqual(names)
  const page = read('docs/how-to/be-alerted.md')
  expect([...page.matchAll(/`(Poolmesh\w+)`/g)].map(([, name]) => name).toSorted()).toEqual(names)
})

test.skipIf(missing)('promtool accepts the rules and the configurations', () => {
  const folder = join(ROOT, 'infra', 'prometheus')
  execFileSync('promtool', ['check', 'rules', RULES])
  for (const name of ['prometheus.yml', 'compose.yml'])
    execFileSync('promtool', ['check', 'config', join(folder, name)])
})

test.skipIf(missing)('each alert fires when it should, not before, and alone', () => {
  const folder = mkdtempSync(join(tmpdir(), 'poolmesh-rules-'))
  try {
    const file = join(folder, 'rules.test.yml')
    const tests = [
      { name: 'all is well', series: {}, expected: [firing(50, [])] },
      ...CASES.map(({ alert, series, at }) => ({
        name: alert,
        series,
        expected: [firing(at - 1, []), firing(at, [alert])],
      })),
    ].map(({ name, series, expected }) => ({
      name,
      interval: '1m',
      input_series: Object.entries({ ...WELL, ...series }).flatMap(([one, values]) =>
        values === null ? [] : [{ series: one, values }],
      ),
      promql_expr_test: expected,
    }))
    const { groups } = parse(readFileSync(RULES, 'utf8')) as { groups: { name: string }[] }
    // JSON is YAML. The sums first, or an alert is a minute behind them by chance.
    const order = groups.map(({ name }) => name)
    const suite = { rule_files: [RULES], evaluation_interval: '1m', group_eval_order: order, tests }
    writeFileSync(file, JSON.stringify(suite))
    execFileSync('promtool', ['test', 'rules', file], { encoding: 'utf8', stdio: 'pipe' })
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string }
    throw new Error(`${stdout ?? ''}${stderr ?? ''}` || String(error))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
