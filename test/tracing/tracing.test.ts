import { freePort } from '@poolmesh/bus'
import {
  createDistributedPoolSystem,
  type DistributedTaskInput,
  type DistributedTaskResult,
} from '@poolmesh/client'
import { HttpPool, run, startTestServer, until } from '@poolmesh/testkit'
import { expect, test } from 'vitest'
import { type CollectedSpan, Collector } from './collector.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SUBMITTER = 'b7ad6b7169203331'

async function submitOverHttp(
  url: string,
  headers: Record<string, string>,
  task: DistributedTaskInput,
): Promise<DistributedTaskResult> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json', prefer: 'wait=60' },
    body: JSON.stringify(task),
  })
  return (await answer.json()) as DistributedTaskResult
}

test('one trace through processes and kinds of pool, with a span for each run', async () => {
  await using server = await startTestServer()
  await using collector = new Collector()
  const env = {
    NATS_URL: server.url,
    OTEL_EXPORTER_OTLP_ENDPOINT: await collector.start(),
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_BSP_SCHEDULE_DELAY: '50',
  }
  await using registry = run('service.ts', ['registry'], env)
  await using executor = run('service.ts', ['executor'], env)
  const port = await freePort()
  await using gateway = run('service.ts', ['gateway'], { ...env, POOLMESH_HTTP_PORT: String(port) })
  await using pools = run('demo.ts', [], env)
  await Promise.all([registry, executor, gateway, pools].map((one) => one.line(/ready/)))
  await using system = await createDistributedPoolSystem({ servers: server.url })
  await using http = await HttpPool.start({
    mode: 'sync',
    handler: ({ attempt }) => {
      if (attempt === 1) throw new Error('not yet')
      return {}
    },
  })
  await system.registry.registerPool({
    name: 'web',
    pool_type: 'mahavishnu',
    endpoint: http.endpoint,
    capabilities: ['web'],
  })
  const metadata = { traceparent: `00-${TRACE}-${SUBMITTER}-01` }
  const [onBus, onHttp] = await Promise.all([
    submitOverHttp(`http://127.0.0.1:${port}/api/v1/tasks`, metadata, {
      task_type: 'text.words',
      payload: { text: 'to be or not to be' },
      required_capabilities: ['text'],
    }),
    system.executor.executeTask({
      task_type: 'web.page',
      payload: {},
      required_capabilities: ['web'],
      max_attempts: 2,
      metadata,
    }),
  ])
  expect([onBus.status, onHttp.status]).toEqual(['completed', 'completed'])
  const named = (taskId: string, name: string): CollectedSpan[] =>
    collector.spans.filter((span) => span.name === name && of(span, taskId))
  const of = (span: CollectedSpan, taskId: string): boolean =>
    span.attributes['poolmesh.task.id'] === taskId ||
    collector.spans.some(
      ({ spanId, attributes }) => spanId === span.parentSpanId && attributes['poolmesh.task.id'] === taskId,
    )
  await until(
    () =>
      named(onBus.task_id, 'poolmesh.task').length === 1 &&
      named(onHttp.task_id, 'poolmesh.task').length === 1 &&
      named(onBus.task_id, 'poolmesh.run').length === 1,
    'the spans',
  )
  expect(new Set(collector.spans.map(({ traceId }) => traceId))).toEqual(new Set([TRACE]))

  const [task] = named(onBus.task_id, 'poolmesh.task')
  expect(task).toMatchObject({ parentSpanId: SUBMITTER, service: 'poolmesh-executor', failed: false })
  expect(task?.attributes).toMatchObject({
    'poolmesh.status': 'completed',
    'poolmesh.task.type': 'text.words',
  })
  for (const name of ['poolmesh.queue', 'poolmesh.dispatch', 'poolmesh.store'])
    expect(named(onBus.task_id, name), name).toMatchObject([{ parentSpanId: task?.spanId }])
  const [dispatch] = named(onBus.task_id, 'poolmesh.dispatch')
  expect(named(onBus.task_id, 'poolmesh.run')).toMatchObject([
    { parentSpanId: dispatch?.spanId, service: 'poolmesh-demonstration' },
  ])

  const [again] = named(onHttp.task_id, 'poolmesh.task')
  const dispatches = named(onHttp.task_id, 'poolmesh.dispatch')
  expect(dispatches).toMatchObject([
    { parentSpanId: again?.spanId, failed: true, attributes: { 'poolmesh.reason': 'HANDLER_ERROR' } },
    { parentSpanId: again?.spanId, failed: false, attributes: { 'poolmesh.attempt': '2' } },
  ])
  expect(http.received.map(({ headers }) => headers['traceparent'])).toEqual(
    dispatches.map(({ spanId }) => `00-${TRACE}-${spanId}-01`),
  )
  expect([registry, executor, gateway, pools].map(({ child }) => child.exitCode)).toEqual([
    null,
    null,
    null,
    null,
  ])
})
