import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDistributedPoolSystem } from '@poolmesh/client'
import { FakeKubernetes, until } from '@poolmesh/testkit'
import { expect, test } from 'vitest'
import { Surroundings, TRACE, TRACEPARENT } from './surroundings.ts'

/** What a Job is told of its trace is its result. */
const TOLD = `
const { TRACEPARENT, TRACESTATE, POOLMESH_TASK, POOLMESH_RESULT_FILE } = process.env
const { metadata } = JSON.parse(POOLMESH_TASK)
require('fs').writeFileSync(POOLMESH_RESULT_FILE, JSON.stringify({ TRACEPARENT, TRACESTATE, metadata }))
`

test('a Job is told its run’s span in the environment, as programs with OpenTelemetry expect it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'poolmesh-traces-'))
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rmSync(folder, { recursive: true }))
  const cluster = stack.use(await FakeKubernetes.start())
  const POOLMESH_KUBECONFIG = join(folder, 'config')
  writeFileSync(POOLMESH_KUBECONFIG, cluster.kubeconfig)
  const it = stack.use(await Surroundings.start())
  const { collector } = it
  await Promise.all([it.services('registry'), it.service('executor', { POOLMESH_KUBECONFIG })])
  const system = it.use(await createDistributedPoolSystem({ servers: it.url }))
  await system.registry.registerPool({
    name: 'jobs',
    pool_type: 'kubernetes',
    endpoint: cluster.endpoint,
    metadata: {
      kubernetes: {
        namespace: 'work',
        image: 'task:1',
        command: [process.execPath, '-e', TOLD],
        grace_seconds: 1,
      },
    },
  })
  const run = (metadata: Record<string, unknown>) =>
    system.executor.executeTask({ task_type: 'told', payload: {}, pool: 'jobs', metadata })
  const dispatchOf = async (taskId: string) => {
    const task = await until(
      () => collector.named('poolmesh.task', { 'poolmesh.task.id': taskId })[0],
      'the span of the task',
    )
    const [dispatch] = collector.under(task, 'poolmesh.dispatch')
    return { task, dispatch }
  }

  const result = await run({ traceparent: TRACEPARENT, tracestate: 'vendor=told' })
  const { dispatch } = await dispatchOf(result.task_id)
  expect(dispatch?.attributes).toMatchObject({ 'poolmesh.pool': 'jobs', 'poolmesh.pool.type': 'kubernetes' })
  const traceparent = `00-${TRACE}-${dispatch?.spanId}-01`
  expect(result.output).toMatchObject({
    TRACEPARENT: traceparent,
    TRACESTATE: 'vendor=told',
    metadata: { traceparent },
  })

  const alone = await run({})
  const { task, dispatch: itsRun } = await dispatchOf(alone.task_id)
  expect(alone.output?.['TRACEPARENT']).toBe(`00-${task.traceId}-${itsRun?.spanId}-01`)
  expect(alone.output?.['TRACESTATE']).toBeUndefined()
})
