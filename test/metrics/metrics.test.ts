// A real Prometheus that scrapes real processes: each panel of the dashboard has data, and the alerts fire when something breaks.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { jetstream } from '@nats-io/jetstream'
import { until } from '@poolmesh/testkit'
import { deadSubject } from '@poolmesh/types'
import { expect, test } from 'vitest'
import { ROOT } from '../documents/markdown.ts'
import {
  type Alert,
  alertsOf,
  type Prometheus,
  RULES,
  startPrometheus,
  withoutPrometheus,
} from './prometheus.ts'
import { startMeasuredSystem } from './system.ts'

const missing = withoutPrometheus()

interface Panel {
  title: string
  targets: { expr: string }[]
}

const { panels } = JSON.parse(
  readFileSync(join(ROOT, 'infra', 'grafana', 'dashboards', 'poolmesh.json'), 'utf8'),
) as { panels: Panel[] }

/** Of hours, seconds; of what takes a real disaster, what any system has. */
const QUICK: [from: RegExp, to: string][] = [
  [/for: \d+[sm]/g, 'for: 0s'],
  [/\[(5|10)m\]/g, '[30s]'],
  [/offset 10m/g, 'offset 3s'],
  [/> 1000/g, '> 5'],
  [/(eventloop_lag_p99_seconds\{job="poolmesh"\}) > 0\.5/g, '$1 > 0'],
  [/(round_trip_seconds) > 0\.25/g, '$1 >= 0'],
  [/> 60$/gm, '> 0'],
  [/> 0\.95/g, '> 0'],
]

function quickRules(): string {
  let rules = readFileSync(RULES, 'utf8')
  for (const [from, to] of QUICK) {
    expect(rules).toMatch(from)
    rules = rules.replace(from, to)
  }
  return rules
}

/** A pool would have to change again and again; promtool tries the rule, and its series is looked at here. */
const NOT_FOR_REAL = ['PoolmeshPoolFlapping']

test('the dashboard has the panels that it should', () => {
  expect(panels.map(({ title }) => title)).toEqual([
    'Overview',
    'Workers',
    'Executions',
    'Success rate',
    'Pool health',
    'By pool',
    'By type',
    'Throughput',
    'Utilization heat map',
    'Latency percentiles',
    'Errors',
    'Memory',
    'Routing strategy',
    'Scaling events',
    'Queue size',
  ])
})

async function eachPanelHasData(prometheus: Prometheus): Promise<void> {
  for (const { title, targets } of panels)
    for (const { expr } of targets) {
      const query = expr.replaceAll('$__rate_interval', '30s')
      await until(
        async () => (await prometheus.query(query)).some(({ value }) => value[1] !== 'NaN'),
        `data for ${title}: ${query}`,
      )
    }
}

test.skipIf(missing)(
  'each panel has data, and each alert fires when something breaks',
  { timeout: 300_000 },
  async () => {
    await using system = await startMeasuredSystem()
    await using prometheus = await startPrometheus(system.targets, quickRules())
    const fired = new Map<string, Alert>()
    const fires = async (...names: string[]): Promise<void> => {
      for (const name of names)
        await until(
          async () => {
            for (const alert of await prometheus.alerts())
              if (alert.state === 'firing') fired.set(alert.labels['alertname']!, alert)
            return fired.has(name)
          },
          `${name} to fire; so far: ${[...fired.keys()].join(', ')}`,
          60_000,
        )
    }
    const doomed = await system.startPool('doomed')
    const steady = await system.startPool('steady')
    {
      await using _submitting = await system.submitting()
      await eachPanelHasData(prometheus)
      expect((await prometheus.query('poolmesh_health_pool_flapping')).length).toBeGreaterThan(0)
      await fires(
        'PoolmeshNoPoolForTasks',
        'PoolmeshBacklogGrows',
        'PoolmeshTasksFail',
        'PoolmeshMemoryBehind',
      )
      await fires('PoolmeshEventLoopLag', 'PoolmeshBrokerSlow', 'PoolmeshQueueSlow', 'PoolmeshSlotsTaken')
      const later = ['PoolmeshDown', 'PoolmeshNoExecutor', 'PoolmeshBreakerOpen', 'PoolmeshDeadLetters']
      await until(
        async () => {
          const now = (await prometheus.alerts()).map(({ labels }) => labels['alertname']!)
          return !later.some((name) => now.includes(name))
        },
        `none of ${later.join(', ')} to fire`,
      )
      for (const name of later) fired.delete(name)
    }
    await jetstream(await system.server.connect()).publish(deadSubject('lost-again'), '{}')
    await doomed.die()
    await fires(
      'PoolmeshDeadLetters',
      'PoolmeshBreakerOpen',
      'PoolmeshPoolUnhealthy',
      'PoolmeshHeartbeatsMissing',
    )
    expect(fired.get('PoolmeshBreakerOpen')).toMatchObject({
      labels: { pool: 'doomed', severity: 'critical' },
      annotations: { summary: 'doomed gets no tasks', runbook: 'a-pool-is-unhealthy' },
    })
    await steady.die()
    await fires('PoolmeshNoSlots')
    await Promise.all([system.kill('executor'), system.kill('registry'), system.kill('health-monitor')])
    await fires('PoolmeshDown', 'PoolmeshNoExecutor', 'PoolmeshNoRegistry', 'PoolmeshNoHealthMonitor')
    await system.server.server.stop('SIGKILL')
    await fires('PoolmeshBrokerLost')
    const all = alertsOf(readFileSync(RULES, 'utf8')).filter((name) => !NOT_FOR_REAL.includes(name))
    expect([...fired.keys()].toSorted()).toEqual(all.toSorted())
  },
)
