import { textPool } from '@poolmesh/example-pools'
import { until } from '@poolmesh/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Served, startServed } from './fixture.ts'
import { listen } from './sse.ts'

let it: Served
const owned = new AsyncDisposableStack()
beforeAll(async () => {
  it = owned.use(await startServed())
  owned.use(await textPool.start({ nc: it.system.nc }))
})
afterAll(() => owned.disposeAsync())

const words = { task_type: 'text.words', payload: { text: 'a b' }, required_capabilities: ['text'] }
let events = 0
/** As the health monitor stores it. */
async function unhealthy(pool: string): Promise<void> {
  const event = {
    event_id: `e${events++}`,
    at: new Date().toISOString(),
    pool,
    reason: 'it is tried',
    previous_status: 'healthy',
  }
  await it.system.nc.request('pool.unhealthy', JSON.stringify(event), { timeout: 10_000 })
}

test('a listener is told what there is, and then what happens', async () => {
  using listener = await listen(it.url, 'overview,pools,tasks,pool:text-pool')
  expect(listener.response.headers['content-type']).toBe('text/event-stream')
  expect((await listener.next('overview')).data).toMatchObject({ rates: {}, pools: { healthy: 1 } })
  expect((await listener.next('pool:text-pool')).data.pool).toMatchObject({ max_workers: expect.any(Number) })
  const { body } = await it.ask('POST', '/api/v1/tasks', words)
  const told = await listener.next('tasks', ({ items }) =>
    items.some(({ task_id }: { task_id: string }) => task_id === body.task_id),
  )
  expect(told.data.omitted).toBe(0)
  await it.ask('POST', '/api/v1/pools', { name: 'newcomer', pool_type: 'nats' })
  await listener.next('pools', ({ changed }) =>
    changed.some(({ name }: { name: string }) => name === 'newcomer'),
  )
  await it.ask('DELETE', '/api/v1/pools/newcomer')
  await listener.next('pools', ({ removed }) => removed.includes('newcomer'))
})

test('a task that is looked at is told to its end', async () => {
  using listener = await listen(it.url, 'task:watched-one')
  await it.ask('POST', '/api/v1/tasks', { ...words, task_id: 'watched-one' })
  const { data } = await listener.next('task:watched-one', ({ status }) => status === 'completed')
  expect(data.pool_name).toBe('text-pool')
})

test('whoever comes back with the last id gets each alert once, in order', async () => {
  let last = ''
  {
    using listener = await listen(it.url, 'alerts')
    await unhealthy('first')
    last = (await listener.next('alerts', ({ pool }) => pool === 'first')).id
  }
  await unhealthy('second')
  await unhealthy('third')
  using back = await listen(it.url, 'alerts', last)
  await back.next('alerts', ({ pool }) => pool === 'third')
  await unhealthy('fourth')
  await back.next('alerts', ({ pool }) => pool === 'fourth')
  expect(back.heard.map(({ data }) => data.pool)).toEqual(['second', 'third', 'fourth'])
})

test('after a restart of the gateway alerts come from what is stored, and reset names the rest', async () => {
  using listener = await listen(it.url, 'alerts')
  await unhealthy('before')
  const { id } = await listener.next('alerts', ({ pool }) => pool === 'before')
  await unhealthy('meanwhile')
  const ofAnother = `feedc0de-7-${id.split('-')[2]}`
  using back = await listen(it.url, 'alerts,pools,tasks,overview', ofAnother)
  const { data } = await back.next('reset')
  expect(data).toEqual({ topics: ['pools', 'tasks'], reason: 'gap' })
  expect(back.heard.filter(({ event }) => event === 'alerts').map(({ data: alert }) => alert.pool)).toEqual([
    'meanwhile',
  ])
  using lost = await listen(it.url, 'alerts', 'nonsense')
  expect((await lost.next('reset')).data).toEqual({ topics: ['alerts'], reason: 'gap' })
})

test('topics that there are not are refused by their names', async () => {
  for (const topics of ['', 'nothing', 'task:a.b', 'pools,,tasks']) {
    const { status, body } = await it.ask('GET', `/api/v1/events?topics=${topics}`)
    expect([status, body.issues[0].path], topics).toEqual([400, 'topics'])
  }
})

test('who does not read misses what is replaced anyway, and is told so when he reads again', async () => {
  using slow = await listen(it.url, 'pools')
  slow.response.pause()
  using other = await listen(it.url, 'pools')
  // As many pools, and as large, as the buffers of the system and ours do not hold.
  const large = { note: 'x'.repeat(200_000) }
  const register = async (round: number): Promise<void> => {
    const names = Array.from({ length: 10 }, (_, i) => `big-${i}`)
    for (const name of names)
      await it.ask('POST', '/api/v1/pools', { name, pool_type: 'nats', metadata: { ...large, round } })
    await other.next('pools', ({ changed }) =>
      changed.some(
        (pool: { name: string; metadata: { round?: number } }) =>
          pool.name === 'big-9' && pool.metadata.round === round,
      ),
    )
  }
  for (let round = 0; round < 8; round++) await register(round)
  expect(slow.heard).toEqual([])
  slow.response.resume()
  const { data } = await slow.next('reset')
  expect(data).toEqual({ topics: ['pools'], reason: 'slow' })
  await until(() => other.heard.length > 0)
  expect(other.heard.some(({ event }) => event === 'reset')).toBe(false)
})
