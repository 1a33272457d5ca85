import { createDistributedPoolSystem } from '@poolmesh/client'
import { HttpPool, until } from '@poolmesh/testkit'
import { expect, test } from 'vitest'
import { SUBMITTER, Surroundings, TRACE, TRACEPARENT } from './surroundings.ts'

const POOLS = ['text-pool', 'data-pool', 'web']

test('a fan-out is one trace, from the submitter through its branches to the pool of each', async () => {
  await using it = await Surroundings.start()
  await it.services('registry', 'executor', 'distributor')
  await it.demoPools()
  const system = it.use(await createDistributedPoolSystem({ servers: it.url }))
  const http = it.use(
    await HttpPool.start({
      mode: 'sync',
      handler: () => {
        throw new Error('not here')
      },
    }),
  )
  await system.registry.registerPool({ name: 'web', pool_type: 'mahavishnu', endpoint: http.endpoint })

  const result = await system.executor.executeTask({
    task_type: 'checksum',
    payload: { text: 'to be or not to be' },
    metadata: { traceparent: TRACEPARENT, tracestate: 'vendor=told' },
    fan_out: { pools: POOLS, aggregation: 'majority', max_parallel: 10 },
  })
  expect(result.status).toBe('completed')
  const { collector } = it
  const branchIds = result.metadata['branch_ids'] as string[]
  await until(() => collector.named('poolmesh.fanout').length > 0, 'the span of the fan-out')
  await until(() => collector.named('poolmesh.run').length === 2, 'the spans of the pools')
  await until(
    () => branchIds.every((id) => collector.named('poolmesh.task', { 'poolmesh.task.id': id }).length === 1),
    'the spans of the branches',
  )
  expect(new Set(collector.spans.map(({ traceId }) => traceId))).toEqual(new Set([TRACE]))
  expect(new Set(collector.spans.map(({ traceState }) => traceState))).toEqual(new Set(['vendor=told']))

  const [whole, ...others] = collector.named('poolmesh.fanout')
  expect(others).toEqual([])
  expect(whole).toMatchObject({ parentSpanId: SUBMITTER, service: 'poolmesh-distributor', failed: false })
  expect(whole?.attributes).toMatchObject({
    'poolmesh.task.id': result.task_id,
    'poolmesh.task.type': 'checksum',
    'poolmesh.status': 'completed',
    'poolmesh.fanout.aggregation': 'majority',
    'poolmesh.fanout.max_parallel': '10',
    'poolmesh.fanout.branches': '3',
    'poolmesh.fanout.completed': '2',
    'poolmesh.fanout.decided_by': '["text-pool","data-pool"]',
  })
  for (const [index, pool] of POOLS.entries()) {
    const [branch, ...more] = collector.named('poolmesh.branch', { 'poolmesh.pool': pool })
    expect(more).toEqual([])
    expect(branch).toMatchObject({ parentSpanId: whole?.spanId })
    expect(branch?.attributes).toMatchObject({
      'poolmesh.branch': String(index),
      'poolmesh.task.id': branchIds[index],
    })
    const [task] = collector.under(branch!, 'poolmesh.task')
    expect(task?.attributes['poolmesh.task.id']).toBe(branchIds[index])
    const [dispatch] = collector.under(task!, 'poolmesh.dispatch')
    expect(dispatch?.attributes['poolmesh.pool']).toBe(pool)
    if (pool === 'web') {
      expect(http.received[0]?.headers).toMatchObject({
        traceparent: `00-${TRACE}-${dispatch?.spanId}-01`,
        tracestate: 'vendor=told',
      })
    } else
      expect(collector.under(dispatch!, 'poolmesh.run')).toMatchObject([
        { service: 'poolmesh-demonstration' },
      ])
  }
})

test('a distributor that takes over goes on with the spans of the one that was killed', async () => {
  await using it = await Surroundings.start()
  await it.services('registry', 'executor')
  await it.demoPools()
  const first = await it.service('distributor')
  const system = it.use(await createDistributedPoolSystem({ servers: it.url }))
  const goOn = Promise.withResolvers<void>()
  const http = it.use(await HttpPool.start({ mode: 'sync', handler: () => goOn.promise }))
  await system.registry.registerPool({ name: 'web', pool_type: 'mahavishnu', endpoint: http.endpoint })
  const task = system.executor.submit({
    task_type: 'checksum',
    payload: { text: 'to be or not to be' },
    metadata: { traceparent: TRACEPARENT },
    fan_out: { pools: ['text-pool', 'web'], aggregation: 'all_success' },
  })
  const { collector } = it
  await until(() => http.received.length === 1, 'the branch that stays')
  await until(() => collector.named('poolmesh.branch').length === 1, 'the branch that is over')
  first.child.kill('SIGKILL')
  await first.ended
  await it.service('distributor')
  goOn.resolve()
  expect((await task.result()).status).toBe('completed')
  await until(() => collector.named('poolmesh.fanout').length === 1, 'the span of the fan-out')
  await until(
    () => collector.named('poolmesh.branch', { 'poolmesh.pool': 'web' }).length === 1,
    'the span of its branch',
  )
  const [whole] = collector.named('poolmesh.fanout')
  expect(new Set(collector.spans.map(({ traceId }) => traceId))).toEqual(new Set([TRACE]))
  const branches = collector.named('poolmesh.branch')
  expect(new Set(branches.map(({ parentSpanId }) => parentSpanId))).toEqual(new Set([whole?.spanId]))
  expect(new Set(branches.map(({ instance }) => instance)).size).toBe(2)
  for (const branch of branches) expect(collector.under(branch, 'poolmesh.task')).toHaveLength(1)
})
