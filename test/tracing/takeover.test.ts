// The executor that dispatches is killed while a task runs. Its spans that were not over go with it; those of the one that takes
// over have the ids that pools were told of.
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { silentLogger } from '@poolmesh/bus'
import { createDistributedPoolSystem } from '@poolmesh/client'
import { HttpPool, type RunningProcess, until } from '@poolmesh/testkit'
import { definePool } from '@poolmesh/worker'
import { expect, test } from 'vitest'
import { SUBMITTER, Surroundings, TRACE, TRACEPARENT } from './surroundings.ts'

/** Starts one that dispatches, and one that stands by and follows it. */
async function executors(it: Surroundings): Promise<[RunningProcess, RunningProcess]> {
  const first = await it.service('executor')
  await first.line(/"msg":"dispatching"/)
  const nc = await connect({ servers: it.url })
  const follows = Promise.withResolvers<void>()
  nc.subscribe('poolmesh.standby', {
    callback: (_error, message) => {
      if (message.json<{ following: string | null }>().following !== null) follows.resolve()
    },
  })
  const second = await it.service('executor')
  await follows.promise
  await nc.close()
  return [first, second]
}

test('the trace goes on in the executor that takes over, and a run whose answer is lost is followed by a second', async () => {
  await using it = await Surroundings.start()
  const { collector } = it
  await it.services('registry')
  const [first, second] = await executors(it)
  const system = it.use(await createDistributedPoolSystem({ servers: it.url }))
  const dead = Promise.withResolvers<void>()
  // Its answer goes to whoever asked, and nobody else can have it.
  const http = it.use(
    await HttpPool.start({ mode: 'sync', handler: ({ attempt }) => (attempt === 1 ? dead.promise : {}) }),
  )
  await system.registry.registerPool({ name: 'web', pool_type: 'mahavishnu', endpoint: http.endpoint })
  const task = system.executor.submit({
    task_type: 'page',
    payload: {},
    pool: 'web',
    metadata: { traceparent: TRACEPARENT },
  })
  await until(() => http.received.length === 1, 'the run')
  const [wait] = await until(
    () => collector.named('poolmesh.queue').length === 1 && collector.named('poolmesh.queue'),
    'the span of the wait',
  )
  first.child.kill('SIGKILL')
  await first.ended
  expect((await task.result()).status).toBe('completed')
  dead.resolve()

  const [whole] = await until(
    () => collector.named('poolmesh.task').length === 1 && collector.named('poolmesh.task'),
    'the span of the task',
  )
  expect(new Set(collector.spans.map(({ traceId }) => traceId))).toEqual(new Set([TRACE]))
  expect(whole).toMatchObject({
    parentSpanId: SUBMITTER,
    failed: false,
    attributes: { 'poolmesh.status': 'completed' },
  })
  expect(wait?.parentSpanId).toBe(whole?.spanId)
  expect(wait?.instance).not.toBe(whole?.instance)
  const runs = collector.under(whole!, 'poolmesh.dispatch')
  expect(runs).toMatchObject([
    {
      failed: true,
      attributes: { 'poolmesh.attempt': '1', 'poolmesh.adopted': 'true', 'poolmesh.reason': 'POOL_LOST' },
    },
    { failed: false, attributes: { 'poolmesh.attempt': '2' } },
  ])
  expect(http.received.map(({ headers }) => headers['traceparent'])).toEqual(
    runs.map(({ spanId }) => `00-${TRACE}-${spanId}-01`),
  )
  expect(second.child.exitCode).toBe(null)
})

test('a run that was lost with its pool and its executor is told of by the one that takes over', async () => {
  await using it = await Surroundings.start()
  const { collector } = it
  await it.services('registry')
  const [first] = await executors(it)
  const system = it.use(await createDistributedPoolSystem({ servers: it.url }))
  const begun: unknown[] = []
  const nc = await connect({ servers: it.url })
  // Never answers. What it runs is told to those that stand by, since it cannot be asked.
  nc.subscribe('pool.work.doomed', {
    callback: (_error, message) =>
      void begun.push(message.json<{ metadata: Record<string, unknown> }>().metadata['traceparent']),
  })
  await system.registry.registerPool({ name: 'doomed', pool_type: 'nats', capabilities: ['work'] })
  const task = system.executor.submit({
    task_type: 'work',
    payload: {},
    required_capabilities: ['work'],
    metadata: { traceparent: TRACEPARENT },
  })
  await until(() => begun.length === 1, 'the first run')
  // It is not to notice what comes.
  first.child.kill('SIGSTOP')
  await nc.close()
  await system.registry.deregisterPool('doomed')
  const other = definePool({
    name: 'other',
    capabilities: ['work'],
    handler: (_task, { traceparent }) => {
      begun.push(traceparent)
      return {}
    },
  })
  await using _other = await other.start({ servers: it.url, handleSignals: false, log: silentLogger() })
  first.child.kill('SIGKILL')
  await first.ended
  expect((await task.result()).status).toBe('completed')

  const [whole] = await until(
    () => collector.named('poolmesh.task').length === 1 && collector.named('poolmesh.task'),
    'the span of the task',
  )
  const runs = collector.under(whole!, 'poolmesh.dispatch')
  expect(runs).toMatchObject([
    { failed: true, attributes: { 'poolmesh.pool': 'doomed', 'poolmesh.reason': 'POOL_LOST' } },
    { failed: false, attributes: { 'poolmesh.pool': 'other', 'poolmesh.attempt': '2' } },
  ])
  expect(begun).toEqual(runs.map(({ spanId }) => `00-${TRACE}-${spanId}-01`))
})

test('where nobody stood by, a run whose answer may be lost is followed by a second in the same trace', async () => {
  await using it = await Surroundings.start()
  const { collector } = it
  await it.services('registry')
  const first = await it.service('executor')
  const system = it.use(await createDistributedPoolSystem({ servers: it.url }))
  const nc = await connect({ servers: it.url })
  const begun: unknown[] = []
  nc.subscribe('pool.work.plain', {
    callback: (_error, message) => {
      const { task_id, metadata } = message.json<{ task_id: string; metadata: Record<string, unknown> }>()
      begun.push(metadata['traceparent'])
      if (begun.length > 1) message.respond(JSON.stringify({ task_id, status: 'completed', output: {} }))
    },
  })
  await system.registry.registerPool({ name: 'plain', pool_type: 'nats' })
  const task = system.executor.submit({
    task_type: 'work',
    payload: {},
    pool: 'plain',
    metadata: { traceparent: TRACEPARENT },
  })
  const { direct } = await jetstreamManager(nc)
  await until(async () => {
    const written = await direct.getMessage('KV_EXECUTORS', { last_by_subj: '$KV.EXECUTORS.runs' })
    return written?.string().includes(task.taskId)
  }, 'the run to be written down')
  first.child.kill('SIGKILL')
  await first.ended
  await it.service('executor')
  expect((await task.result()).status).toBe('completed')
  const [whole] = await until(
    () => collector.named('poolmesh.task').length === 1 && collector.named('poolmesh.task'),
    'the span of the task',
  )
  const runs = collector.under(whole!, 'poolmesh.dispatch')
  expect(runs).toMatchObject([
    { failed: true, attributes: { 'poolmesh.attempt': '1', 'poolmesh.reason': 'ANSWER_LOST' } },
    { failed: false },
  ])
  expect(begun).toEqual(runs.map(({ spanId }) => `00-${TRACE}-${spanId}-01`))
  await nc.close()
})
