// Contract, `routing_strategy`: the five strategies, as pools see them.
import { until } from '@poolmesh/testkit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  completed,
  failed,
  gate,
  type Json,
  type PlainPool,
  type PlainPoolOptions,
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

interface Group extends AsyncDisposable {
  pools: PlainPool[]
  names: string[]
  task: Json
}

/** Pools that share one capability, which the group's task requires. */
async function group(...options: PlainPoolOptions[]): Promise<Group> {
  const capability = unique('cap')
  const pools: PlainPool[] = []
  for (const [i, one] of options.entries())
    pools.push(
      await stranger.pool(`${capability}_${i}`, {
        ...one,
        capabilities: [capability, ...(one.capabilities ?? [])],
      }),
    )
  const task = { required_capabilities: [capability] }
  const names = pools.map((pool) => pool.name)
  const available = pools.filter((pool) => pool.registered['is_available']).map((pool) => pool.name)
  await stranger.fitting(task, available)
  return {
    pools,
    names,
    task,
    async [Symbol.asyncDispose]() {
      await Promise.all(pools.map((pool) => pool[Symbol.asyncDispose]()))
    },
  }
}

const where = async (task: Json): Promise<string | null> => (await stranger.run(task)).pool_name
const counts = (group: Group): number[] => group.pools.map((pool) => pool.received.length)

describe('least_loaded', () => {
  test('goes where current_workers / max_workers is lowest, not where the fewest run', async () => {
    await using three = await group(
      { maxWorkers: 4, descriptor: { current_workers: 2 } },
      { maxWorkers: 100, descriptor: { current_workers: 30 } },
      { maxWorkers: 10, descriptor: { current_workers: 4 } },
    )
    expect(await where(three.task)).toBe(three.names[1])
  })

  test('is the default', async () => {
    await using two = await group({ descriptor: { current_workers: 5 } }, {})
    for (let i = 0; i < 5; i++) expect(await where(two.task)).toBe(two.names[1])
    expect(await stranger.explain({ task_type: 'x', payload: {}, ...two.task })).toMatchObject({
      strategy: 'least_loaded',
      chosen: two.names[1],
    })
  })

  test('of two as busy, the one with the shorter queue', async () => {
    await using two = await group({ descriptor: { queue_size: 3 } }, { descriptor: { queue_size: 1 } })
    for (let i = 0; i < 5; i++) expect(await where(two.task)).toBe(two.names[1])
  })

  test('of those alike, the one used least recently', async () => {
    await using three = await group({}, {}, {})
    for (let i = 0; i < 9; i++) await where(three.task)
    expect(counts(three)).toEqual([3, 3, 3])
  })

  test('what it has sent out itself counts at once', async () => {
    const open = gate()
    const handler: PlainPoolOptions['handler'] = (work) => open.opened.then(() => completed(work, {}))
    await using two = await group({ maxWorkers: 10, handler }, { maxWorkers: 5, handler })
    const ids = await Promise.all(Array.from({ length: 12 }, () => stranger.submit(two.task)))
    await until(() => two.pools.reduce((sum, pool) => sum + pool.received.length, 0) === 12)
    expect(counts(two)).toEqual([8, 4])
    open.open()
    for (const id of ids) await stranger.resultOf(id)
  })

  test('goes by the heartbeats', async () => {
    await using two = await group({}, { descriptor: { current_workers: 2 } })
    expect(await where(two.task)).toBe(two.names[0])
    two.pools[0]?.heartbeat(7)
    await until(
      async () =>
        (await stranger.explain({ task_type: 'x', payload: {}, ...two.task })).chosen === two.names[1],
    )
    expect(await where(two.task)).toBe(two.names[1])
  })
})

describe('round_robin', () => {
  test('is even over the pools that fit, however busy they are', async () => {
    await using three = await group({ descriptor: { current_workers: 8 } }, {}, { maxWorkers: 3 })
    for (let i = 0; i < 12; i++) await where({ ...three.task, routing_strategy: 'round_robin' })
    expect(counts(three)).toEqual([4, 4, 4])
  })

  test('is even when all come at once', async () => {
    await using four = await group(...Array.from({ length: 4 }, () => ({ maxWorkers: 50 })))
    const ids = await Promise.all(
      Array.from({ length: 80 }, () => stranger.submit({ ...four.task, routing_strategy: 'round_robin' })),
    )
    for (const id of ids) await stranger.resultOf(id)
    expect(counts(four)).toEqual([20, 20, 20, 20])
  })

  test('goes on when a pool comes and when one goes', async () => {
    await using two = await group({}, {})
    const task = { ...two.task, routing_strategy: 'round_robin' }
    for (let i = 0; i < 4; i++) await where(task)
    const third = await stranger.pool(unique('third'), {
      capabilities: two.task['required_capabilities'] as string[],
    })
    await stranger.fitting(two.task, [...two.names, third.name])
    for (let i = 0; i < 6; i++) await where(task)
    expect(counts(two)).toEqual([4, 4])
    expect(third.received).toHaveLength(2)
    await third[Symbol.asyncDispose]()
    await stranger.fitting(two.task, two.names)
    for (let i = 0; i < 4; i++) await where(task)
    expect(counts(two)).toEqual([6, 6])
  })
})

describe('capability_based', () => {
  const task = (base: Group, ...preferred: string[]): Json => ({
    ...base.task,
    routing_strategy: 'capability_based',
    metadata: { preferred_capabilities: preferred },
  })

  test('goes where most of what the task asks for is', async () => {
    const [x, y, z] = [unique('x'), unique('y'), unique('z')]
    await using three = await group(
      { capabilities: [x] },
      { capabilities: [x, y], descriptor: { current_workers: 8 } },
      { capabilities: Array.from({ length: 20 }, (_, i) => `unasked-${i}`) },
    )
    for (let i = 0; i < 3; i++) expect(await where(task(three, x, y, z))).toBe(three.names[1])
  })

  test('of those with as many, the least loaded', async () => {
    const x = unique('x')
    await using three = await group(
      { capabilities: [x], descriptor: { current_workers: 3 } },
      { capabilities: [x] },
      {},
    )
    for (let i = 0; i < 3; i++) expect(await where(task(three, x))).toBe(three.names[1])
  })

  test('what is preferred is not required', async () => {
    await using one = await group({})
    expect(await where(task(one, unique('nobody')))).toBe(one.names[0])
  })
})

describe('region_aware', () => {
  const task = (base: Group, region?: string): Json => ({
    ...base.task,
    routing_strategy: 'region_aware',
    metadata: region === undefined ? {} : { region },
  })

  test('goes to the same region, however busy; inside it to the least loaded', async () => {
    const region = unique('eu')
    await using three = await group(
      {},
      { descriptor: { region, current_workers: 8 } },
      { descriptor: { region, current_workers: 7 } },
    )
    for (let i = 0; i < 3; i++) expect(await where(task(three, region))).toBe(three.names[2])
  })

  test('without one of that region, or without a region, to the least loaded', async () => {
    await using two = await group(
      { descriptor: { region: 'us', current_workers: 4 } },
      { descriptor: { region: 'asia', current_workers: 1 } },
    )
    expect(await where(task(two, 'mars'))).toBe(two.names[1])
    expect(await where(task(two))).toBe(two.names[1])
  })

  test('when the region is full, elsewhere', async () => {
    const open = gate()
    await using two = await group(
      {},
      {
        maxWorkers: 1,
        descriptor: { region: 'here' },
        handler: (work) => open.opened.then(() => completed(work, {})),
      },
    )
    const held = await stranger.submit(task(two, 'here'))
    await until(() => two.pools[1]?.received.length === 1)
    expect(await where(task(two, 'here'))).toBe(two.names[0])
    open.open()
    expect(await stranger.resultOf(held)).toMatchObject({ pool_name: two.names[1] })
  })
})

describe('affinity', () => {
  const task = (base: Group, affinity_key: string): Json => ({
    ...base.task,
    routing_strategy: 'affinity',
    metadata: { affinity_key },
  })

  test('goes where the same key was last completed', async () => {
    await using three = await group({}, {}, {})
    for (const key of [unique('k'), unique('k'), unique('k')]) {
      const first = await where(task(three, key))
      for (let i = 0; i < 4; i++) expect(await where(task(three, key))).toBe(first)
    }
  })

  test('stays there when others are less loaded', async () => {
    await using two = await group({}, { descriptor: { current_workers: 1 } })
    const key = unique('k')
    expect(await where(task(two, key))).toBe(two.names[0])
    two.pools[0]?.heartbeat(8)
    await until(
      async () =>
        (await stranger.explain({ task_type: 'x', payload: {}, ...two.task })).chosen === two.names[1],
    )
    expect(await where(task(two, key))).toBe(two.names[0])
  })

  test('the task type is the key when there is no other', async () => {
    await using two = await group({}, {})
    const task_type = unique('type')
    const first = await where({ ...two.task, task_type, routing_strategy: 'affinity' })
    for (let i = 0; i < 4; i++)
      expect(await where({ ...two.task, task_type, routing_strategy: 'affinity' })).toBe(first)
  })

  test('a failure clears it', async () => {
    const key = unique('k')
    await using two = await group(
      { handler: (work) => (work.task.payload['fail'] ? failed(work, 'no') : completed(work, {})) },
      { descriptor: { current_workers: 3 } },
    )
    expect(await where(task(two, key))).toBe(two.names[0])
    two.pools[0]?.heartbeat(8)
    await until(
      async () =>
        (await stranger.explain({ task_type: 'x', payload: {}, ...two.task })).chosen === two.names[1],
    )
    expect(await stranger.run({ ...task(two, key), payload: { fail: true } })).toMatchObject({
      status: 'failed',
      pool_name: two.names[0],
    })
    expect(await where(task(two, key))).toBe(two.names[1])
  })

  test('a pool that is removed does not keep it', async () => {
    const key = unique('k')
    await using two = await group({}, { descriptor: { current_workers: 3 } })
    expect(await where(task(two, key))).toBe(two.names[0])
    await two.pools[0]?.[Symbol.asyncDispose]()
    await stranger.fitting(two.task, [two.names[1]!])
    expect(await where(task(two, key))).toBe(two.names[1])
  })

  test('a full pool keeps nobody waiting', async () => {
    const open = gate()
    const key = unique('k')
    await using two = await group(
      {
        maxWorkers: 1,
        handler: async (work) => {
          if (work.task.payload['wait']) await open.opened
          return completed(work, {})
        },
      },
      { descriptor: { current_workers: 3 } },
    )
    expect(await where(task(two, key))).toBe(two.names[0])
    const held = await stranger.submit({ ...task(two, key), payload: { wait: true } })
    await until(() => two.pools[0]?.running === 1)
    expect(await where(task(two, key))).toBe(two.names[1])
    open.open()
    await stranger.resultOf(held)
  })
})

test('whatever the strategy, what the task requires comes first', async () => {
  const region = unique('r')
  await using two = await group(
    { descriptor: { current_workers: 9 } },
    { descriptor: { health_status: 'unavailable', region } },
  )
  // Better in everything but what is required.
  await using tempting = await stranger.pool(unique('tempting'), {
    capabilities: [unique('other')],
    maxWorkers: 1_000,
    descriptor: { region },
  })
  for (const routing_strategy of [
    'least_loaded',
    'round_robin',
    'capability_based',
    'region_aware',
    'affinity',
  ])
    for (let i = 0; i < 3; i++)
      expect(await where({ ...two.task, routing_strategy, metadata: { region } })).toBe(two.names[0])
  expect(tempting.received).toHaveLength(0)
})
