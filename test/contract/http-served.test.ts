// Pools of the worker package behind HTTP do the same job as those on the bus.
import { silentLogger } from '@poolmesh/bus'
import { until } from '@poolmesh/testkit'
import { definePool, type PoolOptions, type ServeHttpOptions, serveHttp } from '@poolmesh/worker'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { gate, type Json, type RunningSystem, type Stranger, startSystem, unique } from './harness.ts'

let running: RunningSystem
const stranger = (): Stranger => running.stranger
beforeAll(async () => {
  running = await startSystem()
})
afterAll(() => running[Symbol.asyncDispose]())

/** Served, and found by discovery. */
async function served(options: Omit<PoolOptions, 'name'>, http: ServeHttpOptions = {}) {
  const capability = unique('cap')
  const pool = await serveHttp(
    definePool({ name: unique('served'), capabilities: [capability], ...options }),
    {
      log: silentLogger(),
      handleSignals: false,
      ...http,
    },
  )
  const found = await stranger().ask('pool.discover', { endpoints: [pool.endpoint] })
  expect(found).toMatchObject({ failed: [] })
  const task = { required_capabilities: [capability] }
  await stranger().fitting(task, [pool.name])
  return Object.assign(pool, { task })
}

test('tasks are run once each, and never more than it has workers', async () => {
  let [now, peak] = [0, 0]
  await using pool = await served({
    maxWorkers: 3,
    handler: async ({ payload }) => {
      peak = Math.max(peak, ++now)
      await new Promise((resolve) => setImmediate(resolve))
      now--
      return { got: payload['n'] }
    },
  })
  const ids = await Promise.all(
    Array.from({ length: 30 }, (_, n) => stranger().submit({ ...pool.task, payload: { n } })),
  )
  for (const [n, id] of ids.entries())
    expect(await stranger().resultOf(id)).toMatchObject({
      status: 'completed',
      pool_name: pool.name,
      output: { got: n },
      metadata: { attempts: 1 },
    })
  expect(pool.stats).toMatchObject({ completed: 30, refused: 0 })
  expect(peak).toBeLessThanOrEqual(3)
})

test('how far a run is, as its handler tells it, is told on pool.progress.<name>', async () => {
  const held = gate()
  await using pool = await served({
    handler: async (_, { progress }) => {
      progress(0.5, 'half of it')
      await held.opened
      return {}
    },
  })
  const told = await stranger().listen<object>(`pool.progress.${pool.name}`)
  const id = await stranger().submit(pool.task)
  await until(() => told.length > 0)
  expect(told[0]).toEqual({ task_id: id, attempt: 1, fraction: 0.5, message: 'half of it' })
  held.open()
  expect(await stranger().resultOf(id)).toMatchObject({ status: 'completed' })
})

test('cancelled while it runs, its handler is told, and the slot is free when it has stopped', async () => {
  await using pool = await served({
    maxWorkers: 1,
    handler: ({ payload }, { signal }) =>
      payload['hold'] &&
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  })
  const id = await stranger().submit({ ...pool.task, payload: { hold: true } })
  await until(() => pool.stats.running === 1)
  const next = await stranger().submit(pool.task)
  await stranger().ask('task.cancel', { task_id: id })
  expect(await stranger().resultOf(id)).toMatchObject({
    status: 'cancelled',
    metadata: { cancel: 'acknowledged' },
  })
  expect(await stranger().resultOf(next)).toMatchObject({ status: 'completed' })
  expect(pool.stats).toMatchObject({ cancelled: 1, completed: 1, running: 0 })
})

test('a failure is told with its message and its code, and tried again as the task allows', async () => {
  let times = 0
  await using pool = await served({
    handler: () => {
      if (++times === 1) throw Object.assign(new Error('no paper'), { code: 'ENOPAPER' })
      return { times }
    },
  })
  expect(await stranger().run({ ...pool.task, max_attempts: 2 })).toMatchObject({
    status: 'completed',
    output: { times: 2 },
    metadata: { attempts: 2, history: [{ error: 'no paper' }] },
  })
})

test('stopped in the middle: what it runs is finished and told, what comes next runs elsewhere, and costs no attempt', async () => {
  const held = gate()
  const pool = await served({ maxWorkers: 2, handler: () => held.opened.then(() => ({ by: 'first' })) })
  const first = await stranger().submit(pool.task)
  await until(() => pool.stats.running === 1)
  const stopped = pool.stop()
  const second = await stranger().submit(pool.task)
  await using other = await stranger().pool(unique('pool'), {
    capabilities: pool.task.required_capabilities as string[],
    handler: (work) => ({ task_id: work.task.task_id, status: 'completed', output: { by: 'other' } }) as Json,
  })
  expect(await stranger().resultOf(second)).toMatchObject({
    pool_name: other.name,
    output: { by: 'other' },
    metadata: { attempts: 1 },
  })
  held.open()
  expect(await stranger().resultOf(first)).toMatchObject({
    pool_name: pool.name,
    output: { by: 'first' },
    metadata: { attempts: 1 },
  })
  await stopped
})
