// Contract, "Pools": registration, questions about pools, their events, discovery.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { until } from '@poolmesh/testkit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  completed,
  gate,
  type Json,
  RFC3339_UTC,
  type RunningSystem,
  type Stranger,
  startSystem,
  unique,
} from './harness.ts'

let running: RunningSystem
let stranger: Stranger
beforeAll(async () => {
  running = await startSystem()
  stranger = running.stranger
})
afterAll(() => running?.[Symbol.asyncDispose]())

interface Page {
  pools: (Json & { name: string })[]
  cursor: string | null
}
const names = (page: Page): string[] => page.pools.map((pool) => pool.name)

describe('pool.register', () => {
  test('answers with the stored descriptor, its defaults and derived fields', async () => {
    const name = unique('pool')
    const expected = {
      name,
      pool_type: 'nats',
      capabilities: [],
      max_workers: 10,
      current_workers: 0,
      queue_size: 0,
      health_status: 'healthy',
      region: null,
      metadata: {},
      load_factor: 0,
      is_available: true,
      utilization: '0.0% (0/10)',
    }
    expect(await stranger.ask('pool.register', { name, pool_type: 'nats' })).toMatchObject(expected)
    expect(await stranger.ask('pool.get', { name })).toMatchObject(expected)
  })

  test.each([
    [3, 10, 0.3, true, '30.0% (3/10)'],
    [0, 1, 0, true, '0.0% (0/1)'],
    [1, 3, 1 / 3, true, '33.3% (1/3)'],
    [10, 10, 1, false, '100.0% (10/10)'],
  ])('%i of %i workers', async (current_workers, max_workers, load_factor, is_available, utilization) => {
    const reply = await stranger.ask('pool.register', {
      name: unique('pool'),
      pool_type: 'nats',
      current_workers,
      max_workers,
    })
    expect(reply).toMatchObject({ current_workers, max_workers, is_available, utilization })
    expect(reply['load_factor']).toBeCloseTo(load_factor, 10)
  })

  test.each(['mahavishnu', 'session_buddy', 'kubernetes'])(
    'takes the type %s with its endpoint',
    async (pool_type) => {
      const endpoint = 'http://localhost:8000/mcp'
      expect(
        await stranger.ask('pool.register', { name: unique('pool'), pool_type, endpoint }),
      ).toMatchObject({ pool_type, endpoint })
    },
  )

  test('session-buddy is read as session_buddy', async () => {
    const reply = await stranger.ask('pool.register', {
      name: unique('pool'),
      pool_type: 'session-buddy',
      endpoint: 'http://localhost:8678/mcp',
    })
    expect(reply).toMatchObject({ pool_type: 'session_buddy' })
  })

  test('keeps unknown fields, region and metadata', async () => {
    const name = unique('pool')
    const descriptor = {
      name,
      pool_type: 'nats',
      region: 'eu-1',
      metadata: { gpu: 'a100', nested: { x: [1] } },
      colour: 'green',
    }
    await stranger.ask('pool.register', descriptor)
    expect(await stranger.ask('pool.get', { name })).toMatchObject(descriptor)
  })

  test('the same name again replaces it, with all that it had', async () => {
    const name = unique('pool')
    await stranger.ask('pool.register', {
      name,
      pool_type: 'nats',
      capabilities: ['one'],
      region: 'a',
      max_workers: 3,
    })
    await stranger.ask('pool.register', { name, pool_type: 'nats', capabilities: ['two'] })
    expect(await stranger.ask('pool.get', { name })).toMatchObject({
      capabilities: ['two'],
      region: null,
      max_workers: 10,
    })
    const { pools } = await stranger.ask<Page>('pool.list', { capability: 'one' })
    expect(pools.map((pool) => pool.name)).not.toContain(name)
  })

  test('64 capabilities and a name of 64 characters are within bounds', async () => {
    const name = unique('x'.repeat(55))
    expect(name).toHaveLength(64)
    const capabilities = Array.from({ length: 64 }, (_, i) => `c${i}`)
    expect(await stranger.ask('pool.register', { name, pool_type: 'nats', capabilities })).toMatchObject({
      name,
      capabilities,
    })
  })

  test.each<[string, Json, string]>([
    ['no workers', { max_workers: 0 }, 'max_workers'],
    ['a fraction of a worker', { max_workers: 1.5 }, 'max_workers'],
    ['fewer than no running tasks', { current_workers: -1 }, 'current_workers'],
    ['a negative queue', { queue_size: -1 }, 'queue_size'],
    ['an unknown type', { pool_type: 'lambda' }, 'pool_type'],
    ['no type', { pool_type: undefined }, 'pool_type'],
    ['an unknown health', { health_status: 'fine' }, 'health_status'],
    ['a bad URL', { pool_type: 'mahavishnu', endpoint: 'not a url' }, 'endpoint'],
    ['a bad URL of a pool that needs none', { endpoint: '://' }, 'endpoint'],
    ['a pool over HTTP without a URL', { pool_type: 'mahavishnu' }, 'endpoint'],
    ['65 capabilities', { capabilities: Array.from({ length: 65 }, (_, i) => `c${i}`) }, 'capabilities'],
    ['capabilities that are no list', { capabilities: 'python' }, 'capabilities'],
    ['a region that is no text', { region: 7 }, 'region'],
    ['metadata that is no object', { metadata: [] }, 'metadata'],
    ['a name with a dot', { name: 'a.b' }, 'name'],
    ['a name with a space', { name: 'a b' }, 'name'],
    ['a wildcard for a name', { name: '*' }, 'name'],
    ['a name of 65 characters', { name: 'x'.repeat(65) }, 'name'],
    ['no name', { name: undefined }, 'name'],
  ])('refuses %s, and says where', async (_, changes, path) => {
    const refusal = await stranger.refusal('pool.register', {
      name: unique('pool'),
      pool_type: 'nats',
      ...changes,
    })
    expect(refusal.code).toBe('INVALID_INPUT')
    expect(refusal.issues.map((issue) => String(issue['path']).split('.')[0])).toContain(path)
  })
})

describe('pool.deregister', () => {
  test('it is gone, and nothing is sent there', async () => {
    const capability = unique('cap')
    const pool = await stranger.pool(unique('gone'), { capabilities: [capability] })
    await stranger.run({ required_capabilities: [capability] })
    const reply = await stranger.ask('pool.deregister', { name: pool.name })
    expect(reply).not.toHaveProperty('error')
    expect(await stranger.refusal('pool.get', { name: pool.name })).toMatchObject({ code: 'NOT_FOUND' })
    await stranger.fitting({ required_capabilities: [capability] }, [])
    const id = await stranger.submit({ required_capabilities: [capability], queue_timeout: 1 })
    expect(await stranger.resultOf(id)).toMatchObject({
      status: 'timeout',
      metadata: { reason: 'QUEUE_TIMEOUT' },
    })
    expect(pool.received).toHaveLength(1)
    await pool.die()
  })

  test('drain: true: no new work, and it is gone when the last task ends', async () => {
    const open = gate()
    const deregistered = await stranger.listen('pool.deregistered')
    await using pool = await stranger.own({
      handler: (work) => open.opened.then(() => completed(work, {})),
    })
    const first = await stranger.submit(pool.task)
    await until(() => pool.received.length === 1)
    expect(await stranger.ask('pool.deregister', { name: pool.name, drain: true })).not.toHaveProperty(
      'error',
    )
    await stranger.fitting(pool.task, [])
    const second = await stranger.submit({ ...pool.task, queue_timeout: 1 })
    expect(await stranger.resultOf(second)).toMatchObject({ status: 'timeout' })
    expect(pool.received).toHaveLength(1)
    expect(await stranger.ask('pool.get', { name: pool.name })).toMatchObject({
      name: pool.name,
      is_available: false,
    })
    expect(deregistered.some((event) => event['pool'] === pool.name)).toBe(false)
    open.open()
    expect(await stranger.resultOf(first)).toMatchObject({ status: 'completed', pool_name: pool.name })
    await until(() => deregistered.some((event) => event['pool'] === pool.name))
    expect(await stranger.refusal('pool.get', { name: pool.name })).toMatchObject({ code: 'NOT_FOUND' })
  })

  test('drain: true with nothing running: it is gone', async () => {
    await using pool = await stranger.own()
    await stranger.ask('pool.deregister', { name: pool.name, drain: true })
    await until(async () => (await stranger.ask('pool.get', { name: pool.name }))['error'])
  })

  test('a pool that is not there, and no name', async () => {
    expect(await stranger.refusal('pool.deregister', { name: unique('never') })).toMatchObject({
      code: 'NOT_FOUND',
    })
    expect(await stranger.refusal('pool.deregister', {})).toMatchObject({ code: 'INVALID_INPUT' })
  })

  test('what ran in a pool that is removed runs elsewhere, and that is no attempt', async () => {
    const capability = unique('cap')
    const doomed = await stranger.pool(unique('doomed'), {
      capabilities: [capability],
      handler: () => new Promise(() => {}),
    })
    const id = await stranger.submit({ required_capabilities: [capability] })
    await until(() => doomed.received.length === 1)
    await using other = await stranger.pool(unique('other'), { capabilities: [capability] })
    await stranger.ask('pool.deregister', { name: doomed.name })
    await doomed.die()
    expect(await stranger.resultOf(id)).toMatchObject({
      status: 'completed',
      pool_name: other.name,
      metadata: { attempts: 1 },
    })
  })
})

describe('pool.heartbeat.<name>', () => {
  test('tells the load: pool.get and the choice of pools go by it', async () => {
    const capability = unique('cap')
    const capabilities = [capability]
    await using a = await stranger.pool(unique('a'), { capabilities })
    await using b = await stranger.pool(unique('b'), { capabilities, descriptor: { current_workers: 5 } })
    const question = { task_type: 'x', payload: {}, required_capabilities: capabilities }
    await stranger.fitting(question, [a.name, b.name])
    a.heartbeat(8, 4)
    b.heartbeat(1)
    const seen = await until(async () => {
      const pool = await stranger.ask('pool.get', { name: a.name })
      return pool['current_workers'] === 8 && pool
    })
    expect(seen).toMatchObject({
      current_workers: 8,
      queue_size: 4,
      load_factor: 0.8,
      is_available: true,
      utilization: '80.0% (8/10)',
    })
    await until(async () => (await stranger.explain(question)).chosen === b.name)
  })
})

describe('events', () => {
  test('pool.registered and pool.deregistered are told, and stored', async () => {
    const registered = await stranger.listen('pool.registered')
    const deregistered = await stranger.listen('pool.deregistered')
    const name = unique('pool')
    await stranger.ask('pool.register', { name, pool_type: 'nats' })
    await stranger.ask('pool.register', { name, pool_type: 'nats', max_workers: 2 })
    await stranger.ask('pool.deregister', { name })
    const mine = (events: Json[]) => events.filter((event) => event['pool'] === name)
    await until(() => mine(registered).length >= 1 && mine(deregistered).length === 1)
    const events = [...mine(registered), ...mine(deregistered)]
    for (const event of events)
      expect(event).toEqual(
        expect.objectContaining({
          event_id: expect.any(String),
          at: expect.stringMatching(RFC3339_UTC),
          pool: name,
          reason: expect.any(String),
        }),
      )
    for (const event of events) expect(event).toHaveProperty('previous_status')
    expect(new Set(events.map((event) => event['event_id'])).size).toBe(events.length)
    const stored: Json[] = []
    const messages = await stranger.jsm.direct.getBatch('POOL_EVENTS', { seq: 1, batch: 10_000 })
    for await (const message of messages) stored.push({ ...message.json<Json>(), subject: message.subject })
    for (const event of events)
      expect(stored.some((other) => other['event_id'] === event['event_id'])).toBe(true)
  })

  test('the stream POOL_EVENTS keeps them for 7 days, for a consumer that was away', async () => {
    const { config } = await stranger.jsm.streams.info('POOL_EVENTS')
    expect(config.max_age).toBe(7 * 24 * 3600 * 1e9)
    expect(config.subjects).toEqual(
      expect.arrayContaining(['pool.registered', 'pool.deregistered', 'pool.unhealthy', 'pool.recovered']),
    )
  })
})

describe('pool.list', () => {
  const capability = unique('listed')
  const region = unique('region')
  const all = Array.from({ length: 25 }, (_, i) => `${capability}_${String(i).padStart(2, '0')}`)
  beforeAll(async () => {
    await Promise.all(
      all.map((name, i) =>
        stranger.ask('pool.register', {
          name,
          pool_type: i % 5 === 0 ? 'mahavishnu' : 'nats',
          endpoint: 'http://localhost:1',
          capabilities: i % 2 ? [capability] : [capability, `${capability}_even`],
          region: i < 10 ? region : null,
          health_status: i === 3 ? 'unavailable' : 'healthy',
        }),
      ),
    )
  })

  test('gives every pool that fits all filters', async () => {
    const list = async (request: Json): Promise<string[]> =>
      names(await stranger.ask<Page>('pool.list', { limit: 1000, ...request })).sort()
    expect(await list({ capability })).toEqual(all)
    expect(await list({ capability: `${capability}_even` })).toEqual(all.filter((_, i) => i % 2 === 0))
    expect(await list({ region })).toEqual(all.slice(0, 10))
    expect(await list({ capability, pool_type: 'mahavishnu' })).toEqual(all.filter((_, i) => i % 5 === 0))
    expect(await list({ capability: `${capability}_even`, region, pool_type: 'nats' })).toEqual(
      all.filter((_, i) => i % 2 === 0 && i < 10 && i % 5 !== 0),
    )
    expect(await list({ capability, active_only: true })).toEqual(all.filter((_, i) => i !== 3))
    expect(await list({ capability: unique('nobody') })).toEqual([])
    expect(await list({})).toEqual(expect.arrayContaining(all))
  })

  test('pages: cursor leads on, and is null on the last', async () => {
    const seen: string[] = []
    let cursor: string | null = null
    let pages = 0
    do {
      const page: Page = await stranger.ask<Page>('pool.list', {
        capability,
        limit: 7,
        ...(cursor ? { cursor } : {}),
      })
      expect(page.pools.length).toBeLessThanOrEqual(7)
      seen.push(...names(page))
      cursor = page.cursor
      pages++
    } while (cursor !== null && pages < 20)
    expect(seen.sort()).toEqual(all)
    expect(pages).toBe(4)
    const whole = await stranger.ask<Page>('pool.list', { capability, limit: 25 })
    expect(whole.pools).toHaveLength(25)
    expect(whole.cursor).toBeNull()
  })

  test('each pool has its derived fields', async () => {
    const { pools } = await stranger.ask<Page>('pool.list', { capability, limit: 3 })
    for (const pool of pools)
      expect(pool).toMatchObject({
        load_factor: expect.any(Number),
        is_available: expect.any(Boolean),
        utilization: expect.any(String),
      })
  })

  test('without a body it is a list of all', async () => {
    const page = await stranger.ask<Page>('pool.list')
    expect(page.pools.length).toBeGreaterThanOrEqual(25)
  })

  test.each([
    { limit: 0 },
    { limit: 'all' },
    { pool_type: 'lambda' },
    { active_only: 'maybe' },
    { capability: 7 },
  ])('refuses %j', async (request) => {
    expect(await stranger.refusal('pool.list', request)).toMatchObject({ code: 'INVALID_INPUT' })
  })

  test('a cursor that nobody gave out does no harm', async () => {
    const reply = await stranger.ask('pool.list', { cursor: '\u0000nonsense', capability })
    expect(reply['pools'] ?? reply['error']).toBeTruthy()
  })
})

test('pool.get of a pool that is not there', async () => {
  const reply = await stranger.reply('pool.get', { name: unique('never') })
  expect(reply.headers?.get('Nats-Service-Error-Code')).toBe('404')
  expect(await stranger.refusal('pool.get', { name: unique('never') })).toMatchObject({ code: 'NOT_FOUND' })
  expect(await stranger.refusal('pool.get', { name: 'a.b' })).toMatchObject({ code: 'INVALID_INPUT' })
})

test('pool.stats counts pools, active pools, types and capabilities', async () => {
  interface Stats {
    total_pools: number
    active_pools: number
    pool_types: Record<string, number>
    capabilities: Record<string, number>
  }
  const before = await stranger.ask<Stats>('pool.stats')
  const capability = unique('counted')
  for (const [i, pool_type] of ['nats', 'nats', 'kubernetes'].entries())
    await stranger.ask('pool.register', {
      name: `${capability}_${i}`,
      pool_type,
      endpoint: 'http://localhost:1',
      capabilities: [capability],
      health_status: i === 1 ? 'unavailable' : 'healthy',
    })
  const after = await stranger.ask<Stats>('pool.stats')
  expect(after.total_pools).toBe(before.total_pools + 3)
  expect(after.active_pools).toBe(before.active_pools + 2)
  expect(after.pool_types['nats']).toBe((before.pool_types['nats'] ?? 0) + 2)
  expect(after.pool_types['kubernetes']).toBe((before.pool_types['kubernetes'] ?? 0) + 1)
  expect(after.capabilities[capability]).toBe(3)
  for (let i = 0; i < 3; i++) await stranger.ask('pool.deregister', { name: `${capability}_${i}` })
  const end = await stranger.ask<Stats>('pool.stats')
  expect(end.total_pools).toBe(before.total_pools)
  expect(end.capabilities[capability] ?? 0).toBe(0)
})

test('pools survive a registry that starts anew: what was registered is in the bucket of the broker', async () => {
  const name = unique('kept')
  await stranger.ask('pool.register', { name, pool_type: 'nats', capabilities: ['kept'] })
  const { state } = await stranger.jsm.streams.info('KV_POOLS', { subjects_filter: `$KV.POOLS.${name}` })
  expect(Object.keys(state.subjects ?? {})).toHaveLength(1)
})

describe('pool.discover', () => {
  interface Found {
    new: string[]
    changed: string[]
    gone: string[]
    failed: { endpoint: string; reason: string }[]
  }

  test('asks the endpoints, and tells what is new, changed, gone and failed', async () => {
    const [a, b] = [unique('found'), unique('found')]
    let pools: Json[] = [a, b].map((name) => ({
      name,
      pool_type: 'mahavishnu',
      endpoint: 'http://localhost:1',
      capabilities: ['x'],
    }))
    const server = createServer((request, response) => {
      response.writeHead(request.url === '/pools' ? 200 : 404, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ pools }))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const discover = (endpoints: string[]) => stranger.ask<Found>('pool.discover', { endpoints })
    try {
      const first = await discover([endpoint])
      expect(first.new.sort()).toEqual([a, b].sort())
      expect(first).toMatchObject({ changed: [], gone: [], failed: [] })
      expect(await stranger.ask('pool.get', { name: a })).toMatchObject({ name: a, pool_type: 'mahavishnu' })
      expect(await discover([endpoint])).toEqual({ new: [], changed: [], gone: [], failed: [] })
      pools = [{ ...pools[0], capabilities: ['x', 'y'] }]
      expect(await discover([endpoint])).toMatchObject({ new: [], changed: [a], gone: [b], failed: [] })
      expect(await stranger.ask('pool.get', { name: a })).toMatchObject({ capabilities: ['x', 'y'] })
    } finally {
      await new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
    }
    const { failed } = await discover([endpoint])
    expect(failed).toEqual([{ endpoint, reason: expect.stringMatching(/./) }])
  })

  test('without endpoints it asks those of the settings: here none', async () => {
    expect(await stranger.ask<Found>('pool.discover')).toEqual({ new: [], changed: [], gone: [], failed: [] })
  })

  test('refuses what is no URL', async () => {
    expect(await stranger.refusal('pool.discover', { endpoints: ['not a url'] })).toMatchObject({
      code: 'INVALID_INPUT',
    })
  })
})

test('pool.cancel.<name> tells {task_id, reason}, also when a run takes too long', async () => {
  await using pool = await stranger.own({ handler: () => new Promise(() => {}) })
  const id = await stranger.submit({ ...pool.task, timeout: 1 })
  expect(await stranger.resultOf(id)).toMatchObject({
    status: 'timeout',
    metadata: { reason: 'RUN_TIMEOUT' },
  })
  await until(() => pool.cancels.length > 0)
  expect(pool.cancels).toEqual([{ task_id: id, reason: expect.stringMatching(/./) }])
})

test('a pool with several members shares its work among them', async () => {
  await using pool = await stranger.own()
  await using twin = await stranger.pool(unique('helper'))
  const seen: string[] = []
  twin.nc.subscribe(`pool.work.${pool.name}`, {
    queue: pool.name,
    callback: (_, message) => {
      const { task_id } = message.json<{ task_id: string }>()
      seen.push(task_id)
      message.respond(JSON.stringify({ task_id, status: 'completed', output: {} }))
    },
  })
  await twin.nc.flush()
  const ids = await Promise.all(Array.from({ length: 100 }, () => stranger.submit(pool.task)))
  for (const id of ids) expect(await stranger.resultOf(id)).toMatchObject({ status: 'completed' })
  expect(seen.length).toBeGreaterThan(0)
  expect([...seen, ...pool.ids()].sort()).toEqual([...ids].sort())
})
