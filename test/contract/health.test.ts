// Contract, "Pools": health.check, health.history, health.stats, pool.health.<name>, heartbeats that stop, executor.stats.
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
  running = await startSystem({
    CHECK_INTERVAL: '0.3',
    CHECK_TIMEOUT: '0.2',
    DEGRADED_AFTER: '2',
    UNAVAILABLE_AFTER: '4',
    HEARTBEAT_INTERVAL: '0.2',
    HEARTBEATS_MISSED: '3',
  })
  stranger = running.stranger
})
afterAll(() => running?.[Symbol.asyncDispose]())

interface Check {
  status: string
  response_time: number | null
  last_check: string
  error: string | null
}
const check = async (name: string): Promise<Check> =>
  (await stranger.ask<Record<string, Check>>('health.check', { name }))[name] as Check
const healthOf = async (name: string): Promise<unknown> =>
  (await stranger.ask('pool.get', { name }))['health_status']
const ofPool = (events: Json[], name: string): Json[] => events.filter((event) => event['pool'] === name)
const healthy = () => ({ status: 'healthy', current_workers: 0, queue_size: 0 })

describe('health.check', () => {
  test('asks one pool now', async () => {
    let asked = 0
    await using pool = await stranger.own({
      health: () => {
        asked++
        return healthy()
      },
    })
    const before = asked
    const reply = await stranger.ask<Record<string, Check>>('health.check', { name: pool.name })
    expect(reply).toEqual({
      [pool.name]: {
        status: 'healthy',
        response_time: expect.any(Number),
        last_check: expect.stringMatching(RFC3339_UTC),
        error: null,
      },
    })
    expect(asked).toBeGreaterThan(before)
    expect(reply[pool.name]?.response_time).toBeGreaterThanOrEqual(0)
  })

  test('asks all pools when none is named', async () => {
    await using a = await stranger.own({ health: healthy })
    await using b = await stranger.own({ health: () => ({ status: 'degraded' }) })
    const reply = await until(async () => {
      const all = await stranger.ask<Record<string, Check>>('health.check')
      return all[a.name] && all[b.name] && all
    })
    for (const name of [a.name, b.name])
      expect(reply[name]).toMatchObject({
        response_time: expect.any(Number),
        last_check: expect.stringMatching(RFC3339_UTC),
      })
  })

  test('a pool that only subscribes to its work is healthy', async () => {
    await using pool = await stranger.own()
    expect(await check(pool.name)).toMatchObject({ status: 'healthy', error: null })
  })

  test('no answer counts against it, and says why', async () => {
    await using pool = await stranger.own({ health: () => undefined })
    expect(await check(pool.name)).toMatchObject({ error: expect.stringMatching(/./) })
  })

  test('a pool that is not there, and a name that is none', async () => {
    expect(await stranger.refusal('health.check', { name: unique('never') })).toMatchObject({
      code: 'NOT_FOUND',
    })
    expect(await stranger.refusal('health.check', { name: 'a.b' })).toMatchObject({ code: 'INVALID_INPUT' })
  })
})

describe('health.history', () => {
  test('oldest first, at most as many as asked for, and never more than 100', async () => {
    await using pool = await stranger.own({ health: healthy })
    for (let i = 0; i < 105; i++) await check(pool.name)
    const history = (request: Json) =>
      stranger.ask<{ name: string; checks: Check[] }>('health.history', { name: pool.name, ...request })
    const { name, checks } = await history({})
    expect(name).toBe(pool.name)
    expect(checks).toHaveLength(100)
    for (const one of checks)
      expect(one).toEqual({
        status: 'healthy',
        response_time: expect.any(Number),
        last_check: expect.stringMatching(RFC3339_UTC),
        error: null,
      })
    const times = checks.map((one) => Date.parse(one.last_check))
    expect(times).toEqual([...times].sort((a, b) => a - b))
    const few = (await history({ limit: 5 })).checks
    expect(few).toHaveLength(5)
    // The last five, not the first.
    expect(Date.parse(few[0]!.last_check)).toBeGreaterThanOrEqual(times[90]!)
    expect((await history({ limit: 5_000 })).checks).toHaveLength(100)
  })

  test('of a pool that is not there', async () => {
    expect(await stranger.refusal('health.history', { name: unique('never') })).toMatchObject({
      code: 'NOT_FOUND',
    })
    expect(await stranger.refusal('health.history', {})).toMatchObject({ code: 'INVALID_INPUT' })
  })
})

test('health.stats', async () => {
  await using pool = await stranger.own({ health: healthy })
  const before = await stranger.ask<{ total_health_checks: number }>('health.stats')
  expect(before).toMatchObject({
    check_interval: 0.3,
    pools_monitored: expect.any(Number),
    total_health_checks: expect.any(Number),
  })
  await check(pool.name)
  const after = await stranger.ask<{ total_health_checks: number; pools_monitored: number }>('health.stats')
  expect(after.total_health_checks).toBeGreaterThan(before.total_health_checks)
  expect(after.pools_monitored).toBeGreaterThanOrEqual(1)
})

describe('a pool that fails its checks', () => {
  test('is degraded, then unavailable, then recovers: one event for each change', async () => {
    let ill = false
    await using pool = await stranger.own({ health: () => (ill ? undefined : healthy()) })
    const unhealthy = await stranger.listen('pool.unhealthy')
    const recovered = await stranger.listen('pool.recovered')
    await check(pool.name)
    ill = true
    await until(async () => (await healthOf(pool.name)) === 'degraded', 'degraded')
    await until(async () => (await healthOf(pool.name)) === 'unavailable', 'unavailable')
    expect(await stranger.ask('pool.get', { name: pool.name })).toMatchObject({ is_available: false })
    await until(() => ofPool(unhealthy, pool.name).length >= 2)
    expect(ofPool(unhealthy, pool.name).map((event) => event['previous_status'])).toEqual([
      'healthy',
      'degraded',
    ])
    ill = false
    await until(async () => (await healthOf(pool.name)) === 'healthy', 'recovery')
    await until(() => ofPool(recovered, pool.name).length > 0)
    for (const event of [...ofPool(unhealthy, pool.name), ...ofPool(recovered, pool.name)])
      expect(event).toMatchObject({
        event_id: expect.any(String),
        at: expect.stringMatching(RFC3339_UTC),
        pool: pool.name,
        reason: expect.stringMatching(/./),
        previous_status: expect.stringMatching(/^(healthy|degraded|unavailable)$/),
      })
    expect(ofPool(unhealthy, pool.name)).toHaveLength(2)
    expect(await stranger.run(pool.task)).toMatchObject({ status: 'completed', pool_name: pool.name })
    const stored: Json[] = []
    for (const subject of ['pool.unhealthy', 'pool.recovered'])
      for await (const message of await stranger.jsm.direct.getBatch('POOL_EVENTS', {
        seq: 1,
        next_by_subj: subject,
        batch: 10_000,
      }))
        stored.push(message.json())
    const ids = new Set(stored.map((event) => event['event_id']))
    for (const event of [...ofPool(unhealthy, pool.name), ...ofPool(recovered, pool.name)])
      expect(ids).toContain(event['event_id'])
  })

  test('that says itself that it is unavailable gets no work', async () => {
    let status = 'healthy'
    await using pool = await stranger.own({ health: () => ({ status, current_workers: 0, queue_size: 0 }) })
    status = 'unavailable'
    await until(async () => (await healthOf(pool.name)) === 'unavailable')
    await stranger.fitting(pool.task, [])
    const id = await stranger.submit(pool.task)
    expect((await stranger.explain({ task_id: id })).waiting_for).toBeTruthy()
    status = 'healthy'
    expect(await stranger.resultOf(id)).toMatchObject({ status: 'completed', pool_name: pool.name })
  })

  test('that answers nonsense counts as one that does not answer', async () => {
    await using pool = await stranger.own({ health: () => 'fine, thanks' })
    expect(await check(pool.name)).toMatchObject({ error: expect.stringMatching(/./) })
    await until(async () => (await healthOf(pool.name)) === 'unavailable')
  })
})

describe('heartbeats', () => {
  test('three missed and the pool is unavailable; with the next it recovers', async () => {
    await using pool = await stranger.own({ health: healthy })
    const unhealthy = await stranger.listen('pool.unhealthy')
    const recovered = await stranger.listen('pool.recovered')
    const beating = setInterval(() => pool.heartbeat(0), 50)
    await until(
      async () =>
        (await stranger.ask<{ checks: Check[] }>('health.history', { name: pool.name })).checks.length > 2,
    )
    expect(await healthOf(pool.name)).toBe('healthy')
    clearInterval(beating)
    await until(async () => (await healthOf(pool.name)) === 'unavailable', 'unavailable')
    await until(() => ofPool(unhealthy, pool.name).length > 0)
    const again = setInterval(() => pool.heartbeat(0), 50)
    await until(async () => (await healthOf(pool.name)) === 'healthy', 'recovery')
    await until(() => ofPool(recovered, pool.name).length > 0)
    clearInterval(again)
  })

  test('what runs in a pool that is lost runs elsewhere, and that is no attempt', async () => {
    const capability = unique('cap')
    const capabilities = [capability]
    const dying = await stranger.pool(unique('dying'), {
      capabilities,
      handler: () => new Promise(() => {}),
      health: healthy,
    })
    const beating = setInterval(() => dying.heartbeat(1), 50)
    const id = await stranger.submit({ required_capabilities: capabilities, max_attempts: 1 })
    await until(() => dying.received.length === 1)
    await using other = await stranger.pool(unique('other'), { capabilities, health: healthy })
    clearInterval(beating)
    await dying.die()
    const result = await stranger.resultOf(id)
    expect(result).toMatchObject({ status: 'completed', pool_name: other.name, metadata: { attempts: 1 } })
    expect(other.received[0]?.attempt).toBe('2')
  })
})

test('executor.stats counts active and ended tasks, by status', async () => {
  interface Stats {
    active_tasks: number
    completed_tasks: number
    task_status_breakdown: Record<string, number>
  }
  const stats = () => stranger.ask<Stats>('executor.stats')
  const open = gate()
  await using pool = await stranger.own({
    health: healthy,
    handler: async (work) => {
      if (work.task.payload['wait']) await open.opened
      return completed(work, {})
    },
  })
  const before = await stats()
  const running = await stranger.submit({ ...pool.task, payload: { wait: true } })
  const waiting = await stranger.submit({ required_capabilities: [unique('nobody')] })
  await until(() => pool.received.length === 1)
  const during = await until(async () => {
    const now = await stats()
    return now.active_tasks === before.active_tasks + 2 && now
  })
  expect(during.task_status_breakdown['running']).toBe((before.task_status_breakdown['running'] ?? 0) + 1)
  expect(during.task_status_breakdown['pending']).toBe((before.task_status_breakdown['pending'] ?? 0) + 1)
  await stranger.ask('task.cancel', { task_id: waiting })
  open.open()
  await stranger.resultOf(running)
  const after = await stats()
  expect(after.completed_tasks).toBeGreaterThan(before.completed_tasks)
  expect(after.task_status_breakdown['completed']).toBe((before.task_status_breakdown['completed'] ?? 0) + 1)
  expect(after.task_status_breakdown['cancelled']).toBe((before.task_status_breakdown['cancelled'] ?? 0) + 1)
})
