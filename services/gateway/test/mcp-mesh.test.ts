// One poolmesh as a pool of another: what comes in at the outer is run by a pool of the inner, through its tools.
import { textPool } from '@poolmesh/example-pools'
import { until } from '@poolmesh/testkit'
import { definePool } from '@poolmesh/worker'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Served, startServed } from './fixture.ts'

let inner: Served
let outer: Served
const owned = new AsyncDisposableStack()
beforeAll(async () => {
  inner = owned.use(await startServed())
  outer = owned.use(await startServed())
}, 60_000)
afterAll(() => owned.disposeAsync(), 60_000)

const innerTask = async (): Promise<{ task_id: string; status: string }> =>
  (await inner.ask('GET', '/api/v1/tasks?pool=deep')).body.items[0]

test('a task goes through both, and a cancellation too', { timeout: 90_000 }, async () => {
  const hanging = Promise.withResolvers<void>()
  const pool = definePool({
    name: 'deep',
    maxWorkers: 2,
    async handler({ payload }, { signal }) {
      if (payload['prompt'] !== 'hang') return { echo: payload['prompt'] }
      hanging.resolve()
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped'))))
      return {}
    },
  })
  owned.use(await pool.start({ nc: inner.system.nc }))
  owned.use(await textPool.start({ nc: outer.system.nc }))
  const endpoint = `${inner.url}/mcp`
  const ask = async (subject: string, body: object): Promise<Record<string, unknown>> =>
    (await outer.system.nc.request(subject, JSON.stringify(body), { timeout: 10_000 })).json()
  expect(await ask('pool.discover', { endpoints: [endpoint] })).toMatchObject({ new: ['deep'], failed: [] })
  expect(await ask('pool.get', { name: 'deep' })).toMatchObject({ pool_type: 'mahavishnu', endpoint })

  const task = { task_type: 'prompt', pool: 'deep', payload: { prompt: 'through both' } }
  const ran = await outer.ask('POST', '/api/v1/tasks', task, { prefer: 'wait=60' })
  expect(ran.body).toMatchObject({
    status: 'completed',
    pool_name: 'deep',
    output: { pool_name: 'deep', output: { echo: 'through both' } },
    metadata: { mcp: { tool: 'pool_execute', output: 'structured' } },
  })
  expect(await innerTask()).toMatchObject({ status: 'completed' })

  const hung = await outer.ask('POST', '/api/v1/tasks', { ...task, payload: { prompt: 'hang' } })
  await hanging.promise
  await outer.ask('DELETE', `/api/v1/tasks/${hung.body.task_id}`)
  await until(
    async () => (await innerTask()).status === 'cancelled',
    'the inner task is cancelled too',
    30_000,
  )
})
