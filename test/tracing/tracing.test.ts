import { freePort } from '@poolmesh/bus'
import {
  createDistributedPoolSystem,
  type DistributedTaskInput,
  type DistributedTaskResult,
} from '@poolmesh/client'
import { HttpPool, until } from '@poolmesh/testkit'
import { expect, test } from 'vitest'
import { SUBMITTER, Surroundings, TRACE, TRACEPARENT } from './surroundings.ts'

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
  await using it = await Surroundings.start()
  const { collector } = it
  const port = await freePort()
  await Promise.all([
    it.services('registry', 'executor'),
    it.service('gateway', { POOLMESH_HTTP_PORT: String(port) }),
    it.demoPools(),
  ])
  const system = it.use(await createDistributedPoolSystem({ servers: it.url }))
  const http = it.use(
    await HttpPool.start({
      mode: 'sync',
      handler: ({ attempt }) => {
        if (attempt === 1) throw new Error('not yet')
        return {}
      },
    }),
  )
  await system.registry.registerPool({
    name: 'web',
    pool_type: 'mahavishnu',
    endpoint: http.endpoint,
    capabilities: ['web'],
  })
  const metadata = { traceparent: TRACEPARENT }
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
  const taskOf = ({ task_id }: DistributedTaskResult) =>
    until(() => collector.named('poolmesh.task', { 'poolmesh.task.id': task_id })[0], 'the span of a task')
  const request = await until(() => collector.named('POST /api/v1/tasks')[0], 'the span of the request')
  const task = await taskOf(onBus)
  await until(() => collector.named('poolmesh.run').length === 1, 'the span of the handler')
  const again = await taskOf(onHttp)
  expect(new Set(collector.spans.map(({ traceId }) => traceId))).toEqual(new Set([TRACE]))

  expect(request.parentSpanId).toBe(SUBMITTER)
  expect(task).toMatchObject({
    parentSpanId: request.spanId,
    service: 'poolmesh-executor',
    failed: false,
    attributes: { 'poolmesh.status': 'completed', 'poolmesh.task.type': 'text.words' },
  })
  for (const name of ['poolmesh.queue', 'poolmesh.dispatch', 'poolmesh.store'])
    expect(collector.under(task, name), name).toHaveLength(1)
  const [dispatch] = collector.under(task, 'poolmesh.dispatch')
  expect(collector.under(dispatch!, 'poolmesh.run')).toMatchObject([{ service: 'poolmesh-demonstration' }])

  expect(again.parentSpanId).toBe(SUBMITTER)
  const dispatches = collector.under(again, 'poolmesh.dispatch')
  expect(dispatches).toMatchObject([
    { failed: true, attributes: { 'poolmesh.reason': 'HANDLER_ERROR' } },
    { failed: false, attributes: { 'poolmesh.attempt': '2' } },
  ])
  expect(http.received.map(({ headers }) => headers['traceparent'])).toEqual(
    dispatches.map(({ spanId }) => `00-${TRACE}-${spanId}-01`),
  )
})
