import { textPool } from '@poolmesh/example-pools'
import { until } from '@poolmesh/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Served, startServed } from './fixture.ts'

let it: Served
const owned = new AsyncDisposableStack()
beforeAll(async () => {
  it = owned.use(await startServed())
  owned.use(await textPool.start({ nc: it.system.nc }))
})
afterAll(() => owned.disposeAsync())

const namesOf = (items: { name: string }[]): string[] => items.map(({ name }) => name)

test('a pool is registered, found in every way, and deregistered', async () => {
  const pool = {
    name: 'far-away',
    pool_type: 'mahavishnu',
    endpoint: 'http://somebody:s3cret@127.0.0.1:9/?token=abc',
    capabilities: ['gpu'],
    region: 'eu-1',
    metadata: { api_key: 's3cret', nested: { Authorization: 's3cret', note: 'open' } },
  }
  const { status, headers, body } = await it.ask('POST', '/api/v1/pools', pool)
  expect([status, headers.get('location')]).toEqual([201, '/api/v1/pools/far-away'])
  expect(JSON.stringify(body)).not.toMatch(/s3cret|abc/)
  await until(async () => (await it.ask('GET', '/api/v1/pools/far-away')).status === 200)
  for (const query of ['q=FAR', 'kind=mahavishnu', 'region=eu-1', 'capability=gpu', 'q=gpu&health=healthy'])
    expect(namesOf((await it.ask('GET', `/api/v1/pools?${query}`)).body.items), query).toEqual(['far-away'])
  const shown = await it.ask('GET', '/api/v1/pools/far-away')
  expect(JSON.stringify(shown.body)).not.toMatch(/s3cret|abc/)
  expect(shown.body.metadata.nested.note).toBe('open')
  const first = await it.ask('GET', '/api/v1/pools?limit=1')
  expect(namesOf(first.body.items)).toEqual(['far-away'])
  const second = await it.ask('GET', `/api/v1/pools?limit=1&cursor=${first.body.next}`)
  expect([namesOf(second.body.items), second.body.next]).toEqual([['text-pool'], null])
  expect((await it.ask('DELETE', '/api/v1/pools/far-away')).body.draining).toBe(false)
  await until(async () => (await it.ask('GET', '/api/v1/pools/far-away')).status === 404)
  const wrong = await it.ask('POST', '/api/v1/pools', { name: 'a.b', pool_type: 'mahavishnu' })
  expect(wrong.body.issues.map(({ path }: { path: string }) => path)).toEqual(
    expect.arrayContaining(['name']),
  )
})

test('a pool is checked now, and its checks and its tasks are kept', async () => {
  const checked = await it.ask('POST', '/api/v1/pools/text-pool/check')
  expect(checked.body).toMatchObject({ status: 'healthy', response_time: expect.any(Number) })
  const { body } = await it.ask('GET', '/api/v1/pools/text-pool/checks')
  expect(body.checks.length).toBeGreaterThan(0)
  const task = { task_type: 'text.words', payload: { text: 'a' }, required_capabilities: ['text'] }
  const ended = await it.ask('POST', '/api/v1/tasks', task, { prefer: 'wait=30' })
  const tasks = await it.ask('GET', '/api/v1/pools/text-pool/tasks')
  expect(tasks.body.items[0]).toMatchObject({ task_id: ended.body.task_id, pool_name: 'text-pool' })
  expect((await it.ask('GET', '/api/v1/pools/nobody/checks')).status).toBe(404)
})

test('the overview counts pools, slots and what is done', async () => {
  const task = { task_type: 'text.words', payload: { text: 'a' }, required_capabilities: ['text'] }
  const overview = await until(async () => {
    await it.ask('POST', '/api/v1/tasks', task)
    const { body } = await it.ask('GET', '/api/v1/overview')
    return body.rates.completed > 0 && body.history.length > 0 && body
  })
  expect(overview).toMatchObject({ pools: { total: 1, healthy: 1 }, executors: 1 })
  expect(overview.slots.total).toBeGreaterThan(0)
  expect(overview.latency_ms.p50).toBeGreaterThan(0)
  expect(overview.backlog.map(({ lane }: { lane: string }) => lane).sort()).toEqual([
    'fanout',
    'high',
    'low',
    'normal',
    'urgent',
  ])
})

test('dead letters are listed, looked at, submitted again and taken out', async () => {
  const letter = (task_id: string) => ({
    task: {
      task_id,
      task_type: 'text.words',
      payload: { text: 'a' },
      required_capabilities: ['text'],
      queue_timeout: 300,
    },
    result: {
      task_id,
      pool_name: null,
      status: 'failed',
      output: null,
      error: 'lost',
      duration: 0,
      metadata: { reason: 'POISON' },
    },
    history: [{ pool: 'gone', reason: 'POOL_LOST' }],
    at: new Date().toISOString(),
  })
  for (const id of ['dead-1', 'dead-2', 'dead-3'])
    await it.system.nc.request(`task.dead.${id}`, JSON.stringify(letter(id)), { timeout: 10_000 })
  const { body } = await it.ask('GET', '/api/v1/dead?limit=2')
  expect(body.items.map(({ task_id }: { task_id: string }) => task_id)).toEqual(['dead-1', 'dead-2'])
  expect((await it.ask('GET', `/api/v1/dead?cursor=${body.next}`)).body.items).toHaveLength(1)
  expect((await it.ask('GET', '/api/v1/dead/dead-1')).body.history).toHaveLength(1)
  const retried = await it.ask('POST', '/api/v1/dead/dead-1/retry')
  expect(retried).toMatchObject({ status: 202, body: { retry_of: 'dead-1' } })
  expect((await it.ask('DELETE', '/api/v1/dead/dead-2')).body.purged).toBe(1)
  expect((await it.ask('DELETE', '/api/v1/dead/dead-2')).status).toBe(404)
  expect((await it.ask('POST', '/api/v1/dead:purge', {})).body.issues).toMatchObject([{ path: 'all' }])
  expect((await it.ask('POST', '/api/v1/dead:purge', { all: true })).body.purged).toBe(1)
})

test('what no service answers is said to be away', async () => {
  const { status, body } = await it.ask('GET', '/api/v1/memory?query=words')
  expect([status, body.code]).toEqual([503, 'UNAVAILABLE'])
  expect((await it.ask('GET', '/api/v1/alerts')).body).toEqual({ items: [], next: null })
})
