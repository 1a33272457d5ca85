// Contract: a lost pool never uses up an attempt. Here the pool's process dies and another registers its name at once, long
// before anybody misses a heartbeat.
import { connect } from '@nats-io/transport-node'
import { until } from '@poolmesh/testkit'
import { definePool } from '@poolmesh/worker'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { completed, type RunningSystem, startSystem, unique } from './harness.ts'

let running: RunningSystem
const stranger = () => running.stranger
beforeAll(async () => {
  running = await startSystem()
})
afterAll(() => running[Symbol.asyncDispose]())

test('what a plain pool ran when it died is run again when its name is registered anew', async () => {
  // Nobody can say that the two runs are over, so their slots stay taken for a while: two more are free.
  const first = await stranger().own({ maxWorkers: 4, handler: () => new Promise(() => {}) })
  const ids = await Promise.all([1, 2].map(() => stranger().submit({ ...first.task, timeout: 300 })))
  await until(() => first.running === 2)
  await first.die()
  const capabilities = first.task['required_capabilities'] as string[]
  await using second = await stranger().pool(first.name, { capabilities, maxWorkers: 4 })
  for (const id of ids)
    expect(await stranger().resultOf(id)).toMatchObject({
      status: 'completed',
      metadata: { attempts: 1, history: [{ pool: first.name, reason: 'POOL_LOST' }] },
    })
  expect(second.received.map(({ attempt }) => attempt)).toEqual(['2', '2'])
  expect(second.cancels).toEqual([])
})

test('a plain pool that says what it runs may register again while it works', async () => {
  let open = (): void => {}
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  await using pool = await stranger().own({
    maxWorkers: 2,
    handler: async (work) => {
      await gate
      return completed(work, { done: true })
    },
  })
  const id = await stranger().submit(pool.task)
  await until(() => pool.running === 1)
  const capabilities = [...(pool.task['required_capabilities'] as string[]), unique('more')]
  await stranger().ask('pool.register', {
    name: pool.name,
    pool_type: 'nats',
    capabilities,
    max_workers: 2,
    current_workers: 1,
  })
  // Then whoever dispatches has heard of it.
  await stranger().fitting({ required_capabilities: capabilities }, [pool.name])
  open()
  expect(await stranger().resultOf(id)).toMatchObject({ status: 'completed' })
  expect(pool.received).toHaveLength(1)
})

test('what a pool of the worker package ran when it died is run again by its successor, in the slots that it had', async () => {
  const name = unique('worker')
  const begun: [instance: number, attempt: number][] = []
  const start = async (instance: number) => {
    const nc = await connect({ servers: stranger().url })
    const pool = await definePool({
      name,
      capabilities: [name],
      maxWorkers: 2,
      handler: async (_, { attempt }) => {
        begun.push([instance, attempt])
        if (instance === 1) await new Promise(() => {})
        return { instance }
      },
    }).start({ nc })
    return { nc, pool }
  }
  const first = await start(1)
  await stranger().fitting({ required_capabilities: [name] }, [name])
  const ids = await Promise.all(
    [1, 2].map(() => stranger().submit({ required_capabilities: [name], timeout: 300 })),
  )
  await until(() => begun.length === 2)
  await first.nc.close()
  const second = await start(2)
  for (const id of ids)
    expect(await stranger().resultOf(id)).toMatchObject({
      status: 'completed',
      output: { instance: 2 },
      metadata: { attempts: 1, history: [{ pool: name, reason: 'POOL_LOST' }] },
    })
  expect(begun.slice(2)).toEqual([
    [2, 2],
    [2, 2],
  ])
  await second.pool.stop()
  await second.nc.close()
})
