import { loadSettings, silentLogger } from '@poolmesh/bus'
import { startTestServer, until } from '@poolmesh/testkit'
import { expect, test } from 'vitest'
import { startExecutor } from '../src/index.ts'

test('what a stopping executor holds goes to the next at once, not when its time is over', async () => {
  await using server = await startTestServer()
  // Longer than any test waits.
  await server.topology({ ackWaitMs: 3_600_000 })
  const nc = await server.connect()
  const start = async () =>
    await startExecutor({
      nc: await server.connect('executor'),
      settings: loadSettings({}, 'none'),
      log: silentLogger(),
    })
  /** What executors themselves say that they hold. */
  const held = async (): Promise<number> =>
    (await nc.request('poolmesh.ask.stats', '')).json<{ active_tasks: number }>().active_tasks
  const first = await start()
  for (let i = 0; i < 50; i++) {
    const task = { task_id: `waits${i}`, task_type: 'x', payload: {}, required_capabilities: ['nobody'] }
    await nc.request('task.submitted', JSON.stringify(task))
  }
  await until(async () => (await held()) === 50)
  await first[Symbol.asyncDispose]()
  await using _second = await start()
  await until(async () => (await held()) === 50, 'the second executor to hold them all')
  const status = await nc.request('task.status', '{"task_id":"waits49"}')
  expect(status.json()).toMatchObject({ status: 'pending' })
})
