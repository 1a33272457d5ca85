import { expect, test } from 'vitest'
import { loadRegistry, MetricSources, namedPools, SERIES, serveMetrics } from '../src/index.ts'

const { Metrics, mergedText } = await loadRegistry()
const histogram = {
  count: 3,
  sum_ms: 1_500,
  buckets: [
    { le: 100, count: 1 },
    { le: 1_000, count: 2 },
    { le: null, count: 3 },
  ],
}

test('names and labels keep the conventions of Prometheus', () => {
  const all = Object.values(SERIES).flatMap((group) => Object.entries(group))
  expect(new Set(all.map(([name]) => name)).size).toBe(all.length)
  for (const [name, { type, labels, help }] of all) {
    expect(name).toMatch(/^poolmesh_[a-z_]+$/)
    expect(name.endsWith('_total'), name).toBe(type === 'counter')
    if (type === 'histogram') expect(name).toMatch(/_seconds$/)
    for (const label of labels) expect(label).toMatch(/^[a-z]+$/)
    expect(help).toMatch(/\.$/)
  }
})

test('what is told is shown, what is not told any more is gone, and what is not declared is refused', async () => {
  const sources = new MetricSources()
  let isThere = true
  const refused: unknown[] = []
  sources.source(async (tell) => {
    // As one that asks the broker.
    await new Promise((resolve) => setImmediate(resolve))
    if (isThere) tell('poolmesh_gateway_listeners', 3)
    if (isThere) tell('poolmesh_pools', 2, { health: 'hea"l\nthy' })
    tell('poolmesh_tasks_ended_total', 7, { status: 'completed' })
    tell('poolmesh_task_run_seconds', histogram)
  })
  sources.source((tell) => {
    try {
      tell('poolmesh_made_up', 1)
    } catch (error) {
      refused.push(error)
    }
  })
  sources.source(() => {
    throw new Error('the broker is gone')
  })
  const metrics = new Metrics({ sources, tellers: ['system', 'gateway'] })
  // Both at once: none sees what the other has emptied.
  const [first, again] = await Promise.all([metrics.text(), metrics.text()])
  expect(again).toBe(first)
  expect(refused).not.toEqual([])
  for (const line of [
    'poolmesh_gateway_listeners 3',
    'poolmesh_pools{health="hea\\"l\\nthy"} 2',
    'poolmesh_tasks_ended_total{status="completed"} 7',
    'poolmesh_task_run_seconds_bucket{le="0.1"} 1',
    'poolmesh_task_run_seconds_bucket{le="+Inf"} 3',
    'poolmesh_task_run_seconds_sum 1.5',
    'poolmesh_task_run_seconds_count 3',
  ])
    expect(first.split('\n')).toContain(line)
  expect(first).not.toContain('poolmesh_task_queue_seconds_count')
  isThere = false
  const later = await metrics.text()
  expect(later).not.toMatch(/^poolmesh_(pools|gateway_listeners)\b/m)
  expect(later).toContain('poolmesh_tasks_ended_total{status="completed"} 7\n')
})

test('what several processes tell is one text, each series with its service', async () => {
  const of = async (service: string, value: number) => {
    const sources = new MetricSources()
    sources.source((tell) => tell('poolmesh_broker_connected', value, { connection: service }))
    sources.source((tell) => tell('poolmesh_executor_task_run_seconds', histogram))
    return await new Metrics({ sources, tellers: ['every', 'executor'], service }).report()
  }
  // As they come over the channel between processes.
  const reports = JSON.parse(JSON.stringify([await of('registry', 1), await of('executor', 0)]))
  const text = await mergedText(reports)
  expect(text).toMatch(/^poolmesh_broker_connected\{connection="registry",service="registry"\} 1$/m)
  expect(text).toMatch(/^poolmesh_broker_connected\{connection="executor",service="executor"\} 0$/m)
  expect(text.match(/^# TYPE poolmesh_broker_connected/gm)).toHaveLength(1)
  expect(text).toMatch(/^poolmesh_executor_task_run_seconds_bucket\{le="\+Inf",service="executor"\} 3$/m)
  expect(text).toMatch(/^nodejs_eventloop_lag_seconds\{service="registry"\} /m)
})

test('the address has /metrics and nothing else, and says when its port is taken', async () => {
  const { promise: free, resolve } = Promise.withResolvers<number>()
  const { createServer } = await import('node:http')
  const probe = createServer().listen(0, '127.0.0.1', () => {
    const address = probe.address()
    resolve(typeof address === 'object' && address ? address.port : 0)
  })
  const port = await free
  await expect(
    serveMetrics({ metrics_host: '127.0.0.1', metrics_port: port }, async () => ''),
  ).rejects.toThrow('POOLMESH_METRICS_PORT')
  await new Promise((closed) => probe.close(closed))
  let fails = false
  await using server = await serveMetrics({ metrics_host: '127.0.0.1', metrics_port: port }, async () => {
    if (fails) throw new Error('not now')
    return 'a 1\n'
  })
  const ask = (path: string, method = 'GET') => fetch(new URL(path, server.url), { method })
  const good = await ask('/metrics')
  expect([good.status, await good.text()]).toEqual([200, 'a 1\n'])
  expect(good.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
  expect((await ask('/')).status).toBe(404)
  expect((await ask('/metrics', 'POST')).status).toBe(405)
  fails = true
  const failed = await ask('/metrics')
  expect([failed.status, await failed.text()]).toEqual([500, 'not now\n'])
})

test('the pools with series of their own are the first by name, and so many', () => {
  const pools = Array.from({ length: 1_000 }, (_, i) => ({ name: `pool-${String(i).padStart(4, '0')}` }))
  const named = namedPools(pools.toReversed())
  expect(named).toHaveLength(200)
  expect(named.at(-1)?.name).toBe('pool-0199')
})
