// Contract, "Promises", seen from outside: what a pool holds, who gets work, how a task ends that cannot run.
import { until } from '@poolmesh/testkit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  completed,
  failed,
  gate,
  type Json,
  type RunningSystem,
  type Stranger,
  startSystem,
  unique,
  type Work,
} from './harness.ts'

let running: RunningSystem
let stranger: Stranger
beforeAll(async () => {
  running = await startSystem()
  stranger = running.stranger
})
afterAll(() => running?.[Symbol.asyncDispose]())

const nobody = () => ({ required_capabilities: [unique('nobody')] })

describe('a terminal status never changes', () => {
  test('a late answer is counted, never stored', async () => {
    const open = gate()
    await using pool = await stranger.own({
      handler: (work) => open.opened.then(() => completed(work, { late: true })),
    })
    const id = await stranger.submit({ ...pool.task, timeout: 1 })
    expect(await stranger.resultOf(id)).toMatchObject({
      status: 'timeout',
      pool_name: pool.name,
      output: null,
      metadata: { reason: 'RUN_TIMEOUT' },
    })
    const lateAnswers = async () =>
      (await stranger.ask<{ late_answers: number }>('executor.stats')).late_answers
    const before = await lateAnswers()
    open.open()
    await until(async () => (await lateAnswers()) === before + 1)
    await stranger.run(pool.task)
    expect(stranger.resultsOf(id)).toHaveLength(1)
    expect(await stranger.stored(id)).toMatchObject({ status: 'timeout' })
    expect(await stranger.status(id)).toMatchObject({ status: 'timeout' })
  })
})

describe('a task that cannot run waits, visibly, and ends', () => {
  test('nobody has the capability: it waits, says for what, and ends QUEUE_TIMEOUT', async () => {
    const task = nobody()
    const id = await stranger.submit({ ...task, queue_timeout: 1 })
    expect((await stranger.explain({ task_id: id })).waiting_for).toContain(task.required_capabilities[0])
    const result = await stranger.resultOf(id)
    expect(result).toMatchObject({
      status: 'timeout',
      pool_name: null,
      output: null,
      duration: 0,
      metadata: { reason: 'QUEUE_TIMEOUT', attempts: 0 },
    })
    expect(result.error).toBeTruthy()
    expect(result.metadata['queued_ms']).toBeGreaterThanOrEqual(1_000)
  })

  test('queue_timeout is the timeout when it is not given', async () => {
    const id = await stranger.submit({ ...nobody(), timeout: 1 })
    expect(await stranger.resultOf(id)).toMatchObject({
      status: 'timeout',
      metadata: { reason: 'QUEUE_TIMEOUT' },
    })
  })

  test('it starts when a fitting pool registers', async () => {
    const capability = unique('late')
    const ids = await Promise.all(
      Array.from({ length: 20 }, () => stranger.submit({ required_capabilities: [capability] })),
    )
    for (const id of ids) expect(await stranger.status(id)).toMatchObject({ status: 'pending' })
    await using pool = await stranger.pool(unique('pool'), { capabilities: [capability] })
    for (const id of ids)
      expect(await stranger.resultOf(id)).toMatchObject({ status: 'completed', pool_name: pool.name })
  })

  test('it starts when a pool that has all capabilities at once registers, not one of those that have some', async () => {
    const [a, b] = [unique('a'), unique('b')]
    await using onlyA = await stranger.pool(unique('only'), { capabilities: [a] })
    await using onlyB = await stranger.pool(unique('only'), { capabilities: [b] })
    const id = await stranger.submit({ required_capabilities: [a, b] })
    await stranger.run({ required_capabilities: [a] })
    await stranger.run({ required_capabilities: [b] })
    expect(await stranger.status(id)).toMatchObject({ status: 'pending' })
    await using both = await stranger.pool(unique('both'), { capabilities: [unique('other'), b, a] })
    expect(await stranger.resultOf(id)).toMatchObject({ status: 'completed', pool_name: both.name })
    expect([...onlyA.ids(), ...onlyB.ids()]).not.toContain(id)
  })

  test('it starts when the pool that it names is there', async () => {
    const name = unique('named')
    const id = await stranger.submit({ pool: name })
    await using other = await stranger.own()
    await stranger.run(other.task)
    expect(await stranger.status(id)).toMatchObject({ status: 'pending' })
    await using pool = await stranger.pool(name)
    expect(await stranger.resultOf(id)).toMatchObject({ status: 'completed', pool_name: pool.name })
  })

  test('those that wait stand in nobody’s way', async () => {
    const capability = unique('nobody')
    const batch = unique('stuck')
    for (let n = 0; n < 10; n++)
      await stranger.store(
        `task.submitted.urgent.${batch}_${n}`,
        Array.from({ length: 200 }, () => ({
          task_type: 'x',
          payload: {},
          priority: 100,
          required_capabilities: [capability],
        })),
      )
    await using pool = await stranger.own()
    for (const priority of [100, 50, 5, 0])
      expect(await stranger.run({ ...pool.task, priority })).toMatchObject({ status: 'completed' })
    expect(await stranger.status(`${batch}_9-199`)).toMatchObject({ status: 'pending' })
    await using late = await stranger.pool(unique('late'), { capabilities: [capability], maxWorkers: 50 })
    for (let n = 0; n < 10; n++)
      for (let i = 0; i < 200; i++)
        expect(await stranger.resultOf(`${batch}_${n}-${i}`)).toMatchObject({ status: 'completed' })
    expect(new Set(late.ids()).size).toBe(2_000)
    expect(late.received).toHaveLength(2_000)
    expect(late.peak).toBeLessThanOrEqual(50)
  })
})

describe('never more than max_workers', () => {
  test.each([1, 3, 10])('%i, under many more tasks', async (maxWorkers) => {
    await using pool = await stranger.own({
      maxWorkers,
      handler: async (work, self) => {
        // A round trip to the broker each: others get their turn.
        await self.nc.flush()
        return completed(work, {})
      },
    })
    const batch = unique('many')
    const tasks = Array.from({ length: 200 }, () => ({ task_type: 'x', payload: {}, ...pool.task }))
    await stranger.store(`task.submitted.normal.${batch}`, tasks)
    const alone = await Promise.all(Array.from({ length: 100 }, () => stranger.submit(pool.task)))
    for (const id of [...alone, ...tasks.map((_, i) => `${batch}-${i}`)])
      expect(await stranger.resultOf(id)).toMatchObject({ status: 'completed' })
    expect(pool.received).toHaveLength(300)
    expect(pool.peak).toBe(maxWorkers)
  })

  test('also with tasks of fan-outs and of `pool`', async () => {
    await using pool = await stranger.own({
      maxWorkers: 2,
      handler: async (work, self) => {
        await self.nc.flush()
        return completed(work, {})
      },
    })
    const ids = await Promise.all(
      Array.from({ length: 60 }, (_, i) =>
        stranger.submit(
          i % 3 === 0
            ? pool.task
            : i % 3 === 1
              ? { pool: pool.name }
              : { fan_out: { pools: [pool.name], aggregation: 'all_success' } },
        ),
      ),
    )
    for (const id of ids) expect(await stranger.resultOf(id)).toMatchObject({ status: 'completed' })
    expect(pool.peak).toBeLessThanOrEqual(2)
    expect(pool.received).toHaveLength(60)
  })

  test('what a pool runs for others counts: current_workers of its registration', async () => {
    const open = gate()
    await using pool = await stranger.own({
      maxWorkers: 4,
      descriptor: { current_workers: 3 },
      handler: (work) => open.opened.then(() => completed(work, {})),
    })
    const first = await stranger.submit(pool.task)
    await until(() => pool.received.length === 1)
    const second = await stranger.submit(pool.task)
    expect(await until(async () => (await stranger.explain({ task_id: second })).waiting_for)).toMatch(
      /full|slot/,
    )
    expect(pool.received).toHaveLength(1)
    open.open()
    for (const id of [first, second]) await stranger.resultOf(id)
    expect(pool.peak).toBe(1)
  })

  test('a run that took too long keeps its slot until the pool answers', async () => {
    const open = gate()
    await using pool = await stranger.own({
      maxWorkers: 1,
      handler: async (work) => {
        if (work.task.payload['wait']) await open.opened
        return completed(work, {})
      },
    })
    const slow = await stranger.submit({ ...pool.task, timeout: 1, payload: { wait: true } })
    expect(await stranger.resultOf(slow)).toMatchObject({ status: 'timeout' })
    const next = await stranger.submit(pool.task)
    expect(await until(async () => (await stranger.explain({ task_id: next })).waiting_for)).toBeTruthy()
    expect(pool.received).toHaveLength(1)
    open.open()
    expect(await stranger.resultOf(next)).toMatchObject({ status: 'completed' })
    expect(pool.peak).toBe(1)
  })

  test('fewer workers from now on', async () => {
    let running = 0
    const gates = Array.from({ length: 6 }, () => gate())
    await using pool = await stranger.own({
      maxWorkers: 3,
      handler: async (work) => {
        await gates[running++]?.opened
        return completed(work, {})
      },
    })
    const ids = await Promise.all(Array.from({ length: 6 }, () => stranger.submit(pool.task)))
    await until(() => pool.received.length === 3)
    await pool.register({ max_workers: 1 })
    await stranger.fitting(pool.task, [])
    pool.peak = 0
    for (const one of gates.slice(0, 3)) one.open()
    await until(() => pool.received.length === 4)
    for (const one of gates.slice(3)) one.open()
    for (const id of ids) expect(await stranger.resultOf(id)).toMatchObject({ status: 'completed' })
    // Until the three were done, none was added; afterwards one at a time.
    expect(pool.peak).toBeLessThanOrEqual(1)
  })
})

describe('health before preference', () => {
  test('a degraded pool gets work only when no healthy one fits', async () => {
    const capability = unique('cap')
    const capabilities = [capability]
    const task = { required_capabilities: capabilities }
    let open = gate()
    open.open()
    const handler = (work: Work) => open.opened.then(() => completed(work, {}))
    await using degraded = await stranger.pool(unique('degraded'), {
      capabilities,
      descriptor: { health_status: 'degraded', region: 'here' },
    })
    await using healthy = await stranger.pool(unique('healthy'), {
      capabilities,
      maxWorkers: 2,
      handler,
      descriptor: { current_workers: 0 },
    })
    await stranger.fitting(task, [degraded.name, healthy.name])
    for (const routing_strategy of [
      'least_loaded',
      'round_robin',
      'capability_based',
      'region_aware',
      'affinity',
    ])
      for (let i = 0; i < 5; i++)
        expect(await stranger.run({ ...task, routing_strategy, metadata: { region: 'here' } })).toMatchObject(
          { pool_name: healthy.name },
        )
    expect(degraded.received).toHaveLength(0)
    open = gate()
    const held = [await stranger.submit(task), await stranger.submit(task)]
    await until(() => healthy.running === 2)
    // The healthy one is full now.
    expect(await stranger.run(task)).toMatchObject({ status: 'completed', pool_name: degraded.name })
    open.open()
    for (const id of held) expect(await stranger.resultOf(id)).toMatchObject({ pool_name: healthy.name })
  })

  test('an unavailable pool gets none, whoever names it', async () => {
    const capability = unique('cap')
    await using pool = await stranger.pool(unique('pool'), {
      capabilities: [capability],
      descriptor: { health_status: 'unavailable' },
    })
    const byCapability = { required_capabilities: [capability] }
    for (const task of [byCapability, { pool: pool.name }]) {
      const id = await stranger.submit({ ...task, queue_timeout: 1 })
      expect(await stranger.resultOf(id)).toMatchObject({
        status: 'timeout',
        metadata: { reason: 'QUEUE_TIMEOUT' },
      })
    }
    expect(pool.received).toHaveLength(0)
    const id = await stranger.submit(byCapability)
    await pool.register({ health_status: 'healthy' })
    expect(await stranger.resultOf(id)).toMatchObject({ status: 'completed', pool_name: pool.name })
  })

  test('`pool` does not set aside what the task requires', async () => {
    await using pool = await stranger.own()
    const id = await stranger.submit({ pool: pool.name, ...nobody(), queue_timeout: 1 })
    expect(await stranger.resultOf(id)).toMatchObject({ status: 'timeout' })
    expect(pool.received).toHaveLength(0)
  })
})

describe('timeouts', () => {
  test('a run that takes longer than `timeout` ends RUN_TIMEOUT', async () => {
    await using pool = await stranger.own({ handler: () => new Promise(() => {}) })
    const result = await stranger.run({ ...pool.task, timeout: 1, max_attempts: 3 })
    expect(result).toMatchObject({
      status: 'timeout',
      pool_name: pool.name,
      output: null,
      metadata: { reason: 'RUN_TIMEOUT', attempts: 1 },
    })
    expect(result.duration).toBeGreaterThanOrEqual(1)
    expect(result.error).toBeTruthy()
  })

  test('a pool may say itself that it took too long, or that it was cancelled', async () => {
    for (const status of ['timeout', 'cancelled']) {
      await using pool = await stranger.own({
        handler: (work) => ({ ...completed(work, {}), status, output: null, error: 'by itself' }),
      })
      expect(await stranger.run({ ...pool.task, max_attempts: 3 })).toMatchObject({
        status,
        pool_name: pool.name,
        error: 'by itself',
      })
      expect(pool.received).toHaveLength(1)
    }
  })
})

describe('max_attempts', () => {
  test('a reported failure ends a task that says nothing else', async () => {
    await using pool = await stranger.own({ handler: (work) => failed(work, 'no') })
    expect(await stranger.run(pool.task)).toMatchObject({
      status: 'failed',
      pool_name: pool.name,
      error: 'no',
      metadata: { attempts: 1 },
    })
    expect(pool.received).toHaveLength(1)
  })

  test('it is tried again until it succeeds, and the pool is told which attempt it is', async () => {
    await using pool = await stranger.own({
      handler: (work, self) =>
        self.received.length < 3
          ? failed(work, `no ${self.received.length}`)
          : completed(work, { at: 'last' }),
    })
    const result = await stranger.run({ ...pool.task, max_attempts: 5 })
    expect(result).toMatchObject({ status: 'completed', output: { at: 'last' }, metadata: { attempts: 3 } })
    expect(pool.received.map((work) => work.attempt)).toEqual(['1', '2', '3'])
    expect(stranger.resultsOf(result.task_id)).toHaveLength(1)
  })

  test('and not more often than that', async () => {
    await using pool = await stranger.own({ handler: (work) => failed(work, 'never') })
    expect(await stranger.run({ ...pool.task, max_attempts: 3 })).toMatchObject({
      status: 'failed',
      error: 'never',
      metadata: { attempts: 3 },
    })
    expect(pool.received).toHaveLength(3)
  })

  test('elsewhere, if anywhere else fits', async () => {
    const capability = unique('cap')
    const capabilities = [capability]
    await using bad = await stranger.pool(unique('bad'), {
      capabilities,
      handler: (work) => failed(work, 'broken'),
    })
    // Fuller, so that the other comes first.
    await using good = await stranger.pool(unique('good'), {
      capabilities,
      descriptor: { current_workers: 5 },
    })
    await stranger.fitting({ required_capabilities: capabilities }, [bad.name, good.name])
    const result = await stranger.run({ required_capabilities: capabilities, max_attempts: 2 })
    expect(result).toMatchObject({ status: 'completed', pool_name: good.name, metadata: { attempts: 2 } })
    expect(bad.received).toHaveLength(1)
    expect(JSON.stringify(result.metadata)).toContain(bad.name)
  })

  test('an answer that is no result counts as a failure, and is tried elsewhere', async () => {
    const capability = unique('cap')
    const capabilities = [capability]
    await using bad = await stranger.pool(unique('bad'), { capabilities, handler: () => 'what?' })
    await using good = await stranger.pool(unique('good'), {
      capabilities,
      descriptor: { current_workers: 5 },
    })
    await stranger.fitting({ required_capabilities: capabilities }, [bad.name, good.name])
    const result = await stranger.run({ required_capabilities: capabilities, max_attempts: 2 })
    expect(result).toMatchObject({ status: 'completed', pool_name: good.name, metadata: { attempts: 2 } })
    expect(JSON.stringify(result.metadata)).toContain('INVALID_RESULT')
    expect(bad.received).toHaveLength(1)
  })
})

describe('pools that are gone', () => {
  test('nobody listens: the task goes elsewhere, that is no attempt, and the result tells of it', async () => {
    const capability = unique('cap')
    const capabilities = [capability]
    const ghost = unique('ghost')
    await stranger.ask('pool.register', { name: ghost, pool_type: 'nats', capabilities, max_workers: 100 })
    await using there = await stranger.pool(unique('there'), {
      capabilities,
      maxWorkers: 10,
      descriptor: { current_workers: 5 },
    })
    await stranger.fitting({ required_capabilities: capabilities }, [ghost, there.name])
    const result = await stranger.run({ required_capabilities: capabilities })
    expect(result).toMatchObject({ status: 'completed', pool_name: there.name, metadata: { attempts: 1 } })
    expect(JSON.stringify(result.metadata)).toContain(ghost)
    expect(JSON.stringify(result.metadata)).toContain('POOL_GONE')
    await stranger.ask('pool.deregister', { name: ghost })
  })

  test('nobody listens anywhere: the task waits until somebody does', async () => {
    const name = unique('asleep')
    await stranger.ask('pool.register', { name, pool_type: 'nats' })
    const id = await stranger.submit({ pool: name })
    await until(async () => (await stranger.explain({ task_id: id })).waiting_for)
    await using pool = await stranger.pool(name)
    expect(await stranger.resultOf(id)).toMatchObject({
      status: 'completed',
      pool_name: pool.name,
      metadata: { attempts: 1 },
    })
  })

  test('a pool that refuses is not tried at once again, and that is no attempt', async () => {
    const capability = unique('cap')
    const capabilities = [capability]
    await using full = await stranger.pool(unique('full'), {
      capabilities,
      handler: (work) => ({ ...failed(work, 'full'), metadata: { reason: 'POOL_REFUSED' } }),
    })
    await using free = await stranger.pool(unique('free'), {
      capabilities,
      descriptor: { current_workers: 5 },
    })
    await stranger.fitting({ required_capabilities: capabilities }, [full.name, free.name])
    expect(await stranger.run({ required_capabilities: capabilities })).toMatchObject({
      status: 'completed',
      pool_name: free.name,
      metadata: { attempts: 1 },
    })
  })
})

test('every lane that waits gets at least 5 % of the dispatches', async () => {
  const open = gate()
  await using pool = await stranger.own({
    maxWorkers: 1,
    handler: (work) => open.opened.then(() => completed(work, {})),
  })
  await using fence = await stranger.own()
  const blocker = await stranger.submit(pool.task)
  await until(() => pool.received.length === 1)
  const lanes: [string, number, number][] = [
    ['low', 0, 5],
    ['normal', 5, 5],
    ['high', 20, 5],
    ['urgent', 90, 200],
  ]
  const ids: string[] = []
  for (const [lane, priority, count] of lanes) {
    const batch = unique(lane)
    const task: Json = { task_type: lane, payload: {}, priority, ...pool.task }
    await stranger.store(
      `task.submitted.${lane}.${batch}`,
      Array.from({ length: count }, () => task),
    )
    ids.push(...Array.from({ length: count }, (_, i) => `${batch}-${i}`))
    await stranger.run({ ...fence.task, priority })
  }
  open.open()
  for (const id of [blocker, ...ids]) await stranger.resultOf(id)
  const order = pool.received.slice(1).map((work) => work.task['task_type'])
  for (const lane of ['low', 'normal', 'high'])
    for (let n = 1; n <= 5; n++) {
      const share = order.slice(0, 20 * n + 5).filter((other) => other === lane).length
      expect(share, `${lane} in the first ${20 * n + 5}`).toBeGreaterThanOrEqual(n)
    }
  // And urgent work has most of them.
  expect(order.slice(0, 100).filter((lane) => lane === 'urgent').length).toBeGreaterThanOrEqual(80)
})
