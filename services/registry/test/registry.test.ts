import { Kvm } from '@nats-io/kv'
import { until } from '@poolmesh/testkit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Fixture, fixture } from './fixture.ts'

let bus: Fixture
let registry: AsyncDisposable
beforeAll(async () => {
  bus = await fixture()
  registry = await bus.start({ POOLMESH_HEARTBEAT_INTERVAL: '60' })
})
afterAll(async () => {
  await registry[Symbol.asyncDispose]()
  await bus[Symbol.asyncDispose]()
})

describe('pool.register', () => {
  test('replies what is stored, with defaults and derived fields', async () => {
    const pool = await bus.ask('pool.register', {
      name: 'first',
      pool_type: 'session-buddy',
      endpoint: 'http://localhost:8678/mcp',
      capabilities: ['python', 'ml'],
      current_workers: 3,
      custom: { kept: true },
    })
    expect(pool).toMatchObject({
      name: 'first',
      pool_type: 'session_buddy',
      max_workers: 10,
      queue_size: 0,
      health_status: 'healthy',
      region: null,
      metadata: {},
      load_factor: 0.3,
      is_available: true,
      utilization: '30.0% (3/10)',
      custom: { kept: true },
    })
    expect(await bus.ask('pool.get', { name: 'first' })).toEqual(pool)
  })

  test('a pool on the bus needs no endpoint, and takes the number of workers of the settings', async () => {
    await using _other = await bus.start({ MAHAVISHNU_POOLS__MAX_WORKERS: '7' })
    // Either of the two answers; the one that was just started has its own default.
    const seen = new Set<unknown>()
    await until(async () => {
      seen.add((await bus.ask('pool.register', { name: 'on-the-bus', pool_type: 'nats' }))['max_workers'])
      return seen.size === 2
    })
    expect([...seen].sort()).toEqual([10, 7])
  })

  test('again: replaced, and nothing of before stays', async () => {
    await bus.ask('pool.register', {
      name: 'replaced',
      pool_type: 'nats',
      capabilities: ['old'],
      region: 'old',
      metadata: { old: 1 },
      old: 1,
    })
    bus.nc.publish('pool.heartbeat.replaced', '{"current_workers":9,"queue_size":4}')
    await until(async () => (await bus.ask('pool.get', { name: 'replaced' }))['queue_size'] === 4)
    const pool = await bus.ask('pool.register', {
      name: 'replaced',
      pool_type: 'nats',
      capabilities: ['new'],
    })
    expect(pool).toMatchObject({
      capabilities: ['new'],
      region: null,
      metadata: {},
      current_workers: 0,
      queue_size: 0,
    })
    expect(pool).not.toHaveProperty('old')
    const listed = async (capability: string) =>
      ((await bus.ask('pool.list', { capability }))['pools'] as { name: string }[]).map((found) => found.name)
    expect(await listed('old')).toEqual([])
    expect(await listed('new')).toEqual(['replaced'])
  })

  test('a thousand at once are all stored, and found in pages', async () => {
    const names = Array.from({ length: 1_000 }, (_, i) => `many-${String(i).padStart(4, '0')}`)
    const replies = await Promise.all(
      names.map((name) => bus.ask('pool.register', { name, pool_type: 'nats', capabilities: ['many'] })),
    )
    expect(replies.map((reply) => reply['name'])).toEqual(names)
    const bucket = await new Kvm(bus.nc).open('POOLS')
    expect((await bucket.get('many-0999'))?.json()).toMatchObject({ name: 'many-0999' })
    const page = await bus.ask('pool.list', { capability: 'many', limit: 5_000 })
    expect((page['pools'] as { name: string }[]).map((pool) => pool.name)).toEqual(names)
    expect(page['cursor']).toBeNull()
  })

  test('many registrations of one name at once are all told, in order', async () => {
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        bus.ask('pool.register', { name: 'contested', pool_type: 'nats', max_workers: i + 1 }),
      ),
    )
    const events = await bus.events('contested')
    expect(events.map((event) => event.reason)).toEqual(['registered', ...Array(19).fill('replaced')])
    expect(new Set(events.map((event) => event.event_id)).size).toBe(20)
  })
})

describe('pool.deregister', () => {
  test('takes the pool out; unknown is NOT_FOUND', async () => {
    await bus.ask('pool.register', { name: 'short-lived', pool_type: 'nats' })
    expect(await bus.ask('pool.deregister', { name: 'short-lived' })).toEqual({
      name: 'short-lived',
      deregistered: true,
      draining: false,
    })
    for (const subject of ['pool.get', 'pool.deregister'])
      expect((await bus.ask(subject, { name: 'short-lived' })).error?.code).toBe('NOT_FOUND')
    expect((await bus.ask('pool.deregister', { name: 'short-lived', drain: true })).error?.code).toBe(
      'NOT_FOUND',
    )
  })

  test('and it can be registered anew', async () => {
    await bus.ask('pool.register', { name: 'back', pool_type: 'nats' })
    await bus.ask('pool.deregister', { name: 'back' })
    expect(await bus.ask('pool.register', { name: 'back', pool_type: 'nats' })).toMatchObject({
      name: 'back',
    })
    expect((await bus.events('back')).map((event) => event.reason)).toEqual([
      'registered',
      'deregistered',
      'registered',
    ])
  })
})

test('events say what happened and how the pool was before', async () => {
  const heard: unknown[] = []
  for (const subject of ['pool.registered', 'pool.deregistered'])
    bus.nc.subscribe(subject, {
      callback: (_, message) => void heard.push(message.json<{ pool: string }>().pool),
    })
  await bus.nc.flush()
  await bus.ask('pool.register', { name: 'told', pool_type: 'nats', health_status: 'degraded' })
  await bus.ask('pool.register', { name: 'told', pool_type: 'nats' })
  await bus.ask('pool.deregister', { name: 'told' })
  const events = await bus.events('told')
  expect(events.map(({ subject, reason, previous_status }) => [subject, reason, previous_status])).toEqual([
    ['pool.registered', 'registered', null],
    ['pool.registered', 'replaced', 'degraded'],
    ['pool.deregistered', 'deregistered', 'healthy'],
  ])
  for (const event of events) expect(new Date(event.at).toISOString()).toBe(event.at)
  expect(heard.filter((pool) => pool === 'told')).toHaveLength(3)
})

describe('pool.list', () => {
  beforeAll(async () => {
    const pools = [
      { name: 'f-1', capabilities: ['f', 'gpu'], region: 'f-east' },
      { name: 'f-2', capabilities: ['f'], region: 'f-west', health_status: 'unavailable' },
      { name: 'f-3', capabilities: ['f'], region: 'f-east', pool_type: 'kubernetes', endpoint: 'http://k8s' },
    ]
    for (const pool of pools) await bus.ask('pool.register', { pool_type: 'nats', ...pool })
  })

  test.each([
    [{}, ['f-1', 'f-2', 'f-3']],
    [{ region: 'f-east' }, ['f-1', 'f-3']],
    [{ active_only: true }, ['f-1', 'f-3']],
    [{ pool_type: 'kubernetes' }, ['f-3']],
    [{ region: 'f-west', active_only: true }, []],
    [{ region: 'nowhere' }, []],
  ])('filters by %j', async (filter, names) => {
    const reply = await bus.ask('pool.list', { capability: 'f', ...filter })
    expect((reply['pools'] as { name: string }[]).map((pool) => pool.name)).toEqual(names)
    expect(reply['cursor']).toBeNull()
  })
})

test('pool.stats counts pools, and pools by type and capability', async () => {
  await using fresh = await fixture()
  await using _registry = await fresh.start()
  expect(await fresh.ask('pool.stats', '')).toMatchObject({
    total_pools: 0,
    active_pools: 0,
    pool_types: {},
    capabilities: {},
  })
  await fresh.ask('pool.register', { name: 'a', pool_type: 'nats', capabilities: ['x', 'x', '__proto__'] })
  await fresh.ask('pool.register', {
    name: 'b',
    pool_type: 'nats',
    capabilities: ['x'],
    health_status: 'unavailable',
  })
  await fresh.ask('pool.register', {
    name: 'c',
    pool_type: 'mahavishnu',
    endpoint: 'http://c',
    health_status: 'degraded',
  })
  const stats = await fresh.ask('pool.stats', '')
  expect(stats).toMatchObject({ total_pools: 3, active_pools: 2, pool_types: { nats: 2, mahavishnu: 1 } })
  expect(JSON.stringify(stats['capabilities'])).toBe('{"x":2,"__proto__":1}')
})

describe('live values', () => {
  test('heartbeats are shown everywhere and stored nowhere', async () => {
    await bus.ask('pool.register', {
      name: 'alive',
      pool_type: 'nats',
      capabilities: ['alive'],
      max_workers: 10,
    })
    bus.nc.publish('pool.heartbeat.alive', '{"current_workers":3,"queue_size":5}')
    await until(async () => (await bus.ask('pool.get', { name: 'alive' }))['utilization'] === '30.0% (3/10)')
    const page = await bus.ask('pool.list', { capability: 'alive' })
    expect(page['pools']).toMatchObject([{ current_workers: 3, queue_size: 5, load_factor: 0.3 }])
    const bucket = await new Kvm(bus.nc).open('POOLS')
    expect((await bucket.get('alive'))?.json()).toMatchObject({ current_workers: 0, queue_size: 0 })
  })

  test('a heartbeat of a pool that is not there, or that makes no sense, is counted and changes nothing', async () => {
    const before = (await bus.ask('pool.stats', ''))['ignored_heartbeats'] as Record<string, number>
    await bus.ask('pool.register', { name: 'quiet', pool_type: 'nats' })
    bus.nc.publish('pool.heartbeat.nobody', '{"current_workers":1,"queue_size":0}')
    for (const text of [
      '',
      'x',
      '[]',
      '{"current_workers":-1}',
      '{"current_workers":"1"}',
      '{"__proto__":1}',
    ])
      bus.nc.publish('pool.heartbeat.quiet', text)
    await until(async () => {
      const now = (await bus.ask('pool.stats', ''))['ignored_heartbeats'] as Record<string, number>
      return (
        now['unknown_pool'] === before['unknown_pool']! + 1 && now['malformed'] === before['malformed']! + 6
      )
    })
    expect(await bus.ask('pool.get', { name: 'quiet' })).toMatchObject({ current_workers: 0 })
    expect((await bus.ask('pool.get', { name: 'nobody' })).error?.code).toBe('NOT_FOUND')
  })

  test('for pools without heartbeats, what the executors run there is added', async () => {
    await bus.ask('pool.register', { name: 'busy', pool_type: 'nats', current_workers: 1 })
    bus.nc.publish('poolmesh.load', JSON.stringify({ executor: 'x', loads: { busy: 2 } }))
    bus.nc.publish('poolmesh.load', JSON.stringify({ executor: 'y', loads: { busy: 3, other: 1 } }))
    for (const nonsense of [
      '',
      '[]',
      '{"executor":3}',
      '{"executor":"z","loads":{"busy":-5}}',
      '{"executor":"z","loads":7}',
    ])
      bus.nc.publish('poolmesh.load', nonsense)
    await until(async () => (await bus.ask('pool.get', { name: 'busy' }))['current_workers'] === 6)
    bus.nc.publish('poolmesh.load', JSON.stringify({ executor: 'x', loads: { busy: 0 } }))
    await until(async () => (await bus.ask('pool.get', { name: 'busy' }))['current_workers'] === 4)
    // Nobody repeats it: that executor is gone.
    await until(async () => (await bus.ask('pool.get', { name: 'busy' }))['current_workers'] === 1)
  })

  test('the verdict of the health monitor is the status, of the registration that it is about', async () => {
    const pool = await bus.ask('pool.register', {
      name: 'judged',
      pool_type: 'nats',
      capabilities: ['judged'],
    })
    const health = await new Kvm(bus.nc).open('POOL_HEALTH')
    const verdict = {
      status: 'unavailable',
      reason: 'test',
      at: pool['registered_at'],
      registered_at: pool['registered_at'],
    }
    await health.put('judged', JSON.stringify(verdict))
    await until(
      async () => (await bus.ask('pool.get', { name: 'judged' }))['health_status'] === 'unavailable',
    )
    expect(await bus.ask('pool.list', { capability: 'judged', active_only: true })).toMatchObject({
      pools: [],
    })
    const again = await bus.ask('pool.register', {
      name: 'judged',
      pool_type: 'nats',
      capabilities: ['judged'],
    })
    expect(again['health_status']).toBe('healthy')
    expect((await bus.events('judged')).at(-1)).toMatchObject({
      reason: 'replaced',
      previous_status: 'unavailable',
    })
  })
})

describe('several processes', () => {
  test('one that starts later knows everything that is registered', async () => {
    await using own = await fixture()
    const first = await own.start()
    await own.ask('pool.register', { name: 'stays', pool_type: 'nats', capabilities: ['c'], region: 'r' })
    await own.ask('pool.register', { name: 'went', pool_type: 'nats' })
    await own.ask('pool.deregister', { name: 'went' })
    await first[Symbol.asyncDispose]()
    await using _second = await own.start()
    expect(await own.ask('pool.list', { capability: 'c', region: 'r' })).toMatchObject({
      pools: [{ name: 'stays' }],
      cursor: null,
    })
    expect((await own.ask('pool.get', { name: 'went' })).error?.code).toBe('NOT_FOUND')
    expect(await own.ask('pool.stats', '')).toMatchObject({ total_pools: 1 })
  })

  test('whichever of two answers, what was registered a moment ago is there, and nothing is told twice', async () => {
    await using own = await fixture()
    await using _first = await own.start()
    await using _second = await own.start()
    await Promise.all(
      Array.from({ length: 200 }, async (_, i) => {
        const name = `p-${i}`
        await own.ask('pool.register', { name, pool_type: 'nats' })
        expect(await own.ask('pool.get', { name })).toMatchObject({ name })
        await own.ask('pool.register', { name, pool_type: 'nats', region: 'second' })
        expect(await own.ask('pool.deregister', { name })).toMatchObject({ deregistered: true })
      }),
    )
    await until(async () => (await own.ask('pool.stats', ''))['total_pools'] === 0)
    for (const name of ['p-0', 'p-199'])
      expect((await own.events(name)).map((event) => event.reason)).toEqual([
        'registered',
        'replaced',
        'deregistered',
      ])
  })
})

test('what is stored and is no pool is left out, and can be registered over', async () => {
  await using own = await fixture()
  const bucket = await new Kvm(own.nc).open('POOLS')
  await bucket.put('broken', 'no JSON')
  await bucket.put('odd', '{"name":"odd"}')
  await using _registry = await own.start()
  expect(await own.ask('pool.stats', '')).toMatchObject({ total_pools: 0 })
  for (const name of ['broken', 'odd'])
    expect(await own.ask('pool.register', { name, pool_type: 'nats' })).toMatchObject({
      name,
      is_available: true,
    })
})

test('it is found as a micro service', async () => {
  const info = (await bus.nc.request('$SRV.INFO.poolmesh-registry', '')).json<{
    endpoints: { subject: string }[]
  }>()
  expect(info.endpoints.map((found) => found.subject).sort()).toEqual([
    'pool.deregister',
    'pool.discover',
    'pool.get',
    'pool.list',
    'pool.register',
    'pool.scalable',
    'pool.scale.registry',
    'pool.stats',
  ])
  for (const verb of ['PING', 'STATS'])
    expect((await bus.nc.request(`$SRV.${verb}.poolmesh-registry`, '')).json()).toMatchObject({
      name: 'poolmesh-registry',
    })
})
