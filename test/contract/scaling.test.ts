// Contract, "Scaling": pools that are registered with limits, and what waits for them.
import { until } from '@poolmesh/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  completed,
  gate,
  type Json,
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

const limited = (name: string, more: object = {}): Promise<Json> =>
  stranger.ask('pool.register', {
    name,
    pool_type: 'nats',
    capabilities: [name],
    max_workers: 2,
    metadata: { scaling: { min_workers: 1, max_workers: 4 } },
    ...more,
  })
const scalable = async (name: string): Promise<Json | undefined> =>
  ((await stranger.ask('pool.scalable', {}))['pools'] as Json[]).find((pool) => pool['name'] === name)
const scale = (request: object): Promise<Json> => stranger.ask('pool.scale.registry', request)

test('a pool with limits is listed, and scaled within them without being registered anew', async () => {
  const name = unique('pool')
  const { registered_at } = await limited(name)
  const listed = {
    name,
    scaler: 'registry',
    pool_type: 'nats',
    min_workers: 1,
    max_workers: 4,
    workers: 2,
    pools: [name],
    place: 'nats',
  }
  expect(await scalable(name)).toEqual(listed)
  expect(await scale({ name, target_workers: 4, expected_workers: 2 })).toEqual({ ...listed, workers: 4 })
  expect(await stranger.ask('pool.get', { name })).toMatchObject({ max_workers: 4, registered_at })
  // Pools share a place where they take room of the same cluster and namespace.
  const cluster = {
    pool_type: 'kubernetes',
    endpoint: 'https://127.0.0.1:9',
    metadata: { scaling: { min_workers: 1, max_workers: 4 }, kubernetes: { namespace: 'work', image: 'x' } },
  }
  const jobs = unique('pool')
  await limited(jobs, cluster)
  expect(await scalable(jobs)).toMatchObject({ place: 'kubernetes https://127.0.0.1:9 work' })
})

test('what cannot be scaled so is refused, and nothing changes', async () => {
  const name = unique('pool')
  await limited(name)
  const refused = async (request: object, code: string): Promise<void> => {
    expect(await scale(request)).toMatchObject({ error: { code } })
  }
  await refused({ name, target_workers: 5 }, 'INVALID_INPUT')
  await refused({ name, target_workers: 0 }, 'INVALID_INPUT')
  await refused({ name, target_workers: 3, expected_workers: 1 }, 'CONFLICT')
  await refused({ name: unique('pool'), target_workers: 1 }, 'NOT_FOUND')
  for (const scaling of [
    undefined,
    4,
    { min_workers: 4, max_workers: 1 },
    { min_workers: 0, max_workers: 1 },
  ]) {
    const fixed = unique('pool')
    await limited(fixed, { metadata: { scaling } })
    expect(await scalable(fixed)).toBeUndefined()
    await refused({ name: fixed, target_workers: 1 }, 'INVALID_INPUT')
  }
  expect(await stranger.ask('pool.get', { name })).toMatchObject({ max_workers: 2 })
})

test('what waits is told by what it requires; a pool that is scaled takes more of it, and goes on with what it runs', async () => {
  const { opened, open } = gate()
  await using pool = await stranger.own({
    maxWorkers: 1,
    descriptor: { metadata: { scaling: { min_workers: 1, max_workers: 2 } } },
    handler: async (work) => {
      await opened
      return completed(work, {})
    },
  })
  const ids = await Promise.all([0, 1, 2].map(() => stranger.submit(pool.task)))
  const waiting = async (): Promise<number> => {
    const { waiting } = await stranger.ask<{ waiting: (typeof pool.task & { tasks: number })[] }>(
      'executor.stats',
    )
    const wanted = JSON.stringify(pool.task['required_capabilities'])
    return waiting.find((one) => JSON.stringify(one['required_capabilities']) === wanted)?.tasks ?? 0
  }
  await until(async () => pool.running === 1 && (await waiting()) === 2, 'one runs, two wait')
  await scale({ name: pool.name, target_workers: 2 })
  await until(async () => pool.running === 2 && (await waiting()) === 1, 'two run, one waits')
  await scale({ name: pool.name, target_workers: 1 })
  open()
  for (const id of ids) expect(await stranger.resultOf(id)).toMatchObject({ status: 'completed' })
  expect(pool.ids().toSorted()).toEqual(ids.toSorted())
  expect(pool.peak).toBe(2)
})
