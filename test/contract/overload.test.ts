// Overload: a full stream refuses what is new, and everything that it took before is run all the same.
import { createDistributedPoolSystem } from '@poolmesh/client'
import { until } from '@poolmesh/testkit'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { completed, type Json, type RunningSystem, startSystem, unique } from './harness.ts'

/** nats-server's codes for a stream that takes no more. */
const FULL = [10023, 10047, 10077]
const WINDOW = 100

let running: RunningSystem
const stranger = () => running.stranger
beforeEach(async () => {
  running = await startSystem({ WINDOW_TASKS: String(WINDOW) })
})
afterEach(() => running[Symbol.asyncDispose]())

const limit = (max_msgs: number) => stranger().jsm.streams.update('TASKS', { max_msgs })
const messages = async (): Promise<number> => (await stranger().jsm.streams.info('TASKS')).state.messages
const isFull = (ack: Json): boolean =>
  FULL.includes((ack['error'] as Json | undefined)?.['err_code'] as number)

/** Publishes until the broker takes no more. @returns the ids that it took */
async function fill(subject: (id: string) => string, task: Json): Promise<string[]> {
  const taken: string[] = []
  for (;;) {
    const id = unique('t')
    const ack = await stranger().store(subject(id), { task_type: 'test', payload: {}, task_id: id, ...task })
    if (isFull(ack)) return taken
    expect(ack).toMatchObject({ stream: 'TASKS' })
    taken.push(id)
  }
}

async function completeAll(ids: string[]): Promise<void> {
  for (const id of ids) expect(await stranger().resultFrom(id)).toMatchObject({ status: 'completed' })
  await until(async () => (await messages()) === 0, 'an empty stream')
  for (const id of ids) expect(stranger().resultsOf(id)).toHaveLength(1)
}

test('a stream full of plain submissions refuses more, and drains once a pool is there', async () => {
  const capability = unique('cap')
  const ended = { task_type: 'test', payload: {}, required_capabilities: [capability], queue_timeout: 600 }
  // While nobody takes anything in, the messages lie as they were published.
  await stranger().jsm.consumers.pause('TASKS', 'intake', new Date(Date.now() + 600_000))
  await limit(3 * WINDOW)
  const ids = await fill(() => 'task.submitted', ended)
  expect(ids).toHaveLength(3 * WINDOW)
  await stranger().jsm.consumers.resume('TASKS', 'intake')
  await using pool = await stranger().pool(unique('pool'), { capabilities: [capability] })
  await completeAll(ids)
  expect(pool.received).toHaveLength(ids.length)
})

test('tasks that came in while it was full can be asked for and cancelled', async () => {
  const task = { required_capabilities: [unique('cap')], queue_timeout: 600 }
  await stranger().jsm.consumers.pause('TASKS', 'intake', new Date(Date.now() + 600_000))
  await limit(10)
  const ids = await fill(() => 'task.submitted', task)
  await stranger().jsm.consumers.resume('TASKS', 'intake')
  for (const id of ids) await stranger().untilStatus(id, 'pending')
  const [first, ...others] = ids as [string, ...string[]]
  expect(await stranger().ask('task.explain', { task_id: first })).toMatchObject({ status: 'pending' })
  expect(await stranger().ask('task.cancel', { task_id: first })).toMatchObject({ cancelled: true })
  expect(await stranger().resultFrom(first)).toMatchObject({ status: 'cancelled' })
  // Its place is free again.
  const next = await until(async () => {
    const id = unique('t')
    const ack = await stranger().store('task.submitted', {
      task_type: 'test',
      payload: {},
      task_id: id,
      ...task,
    })
    return !isFull(ack) && id
  })
  await using _ = await stranger().pool(unique('pool'), { capabilities: task.required_capabilities })
  await completeAll([...others, next])
})

test('parked tasks come back although the stream is full', async () => {
  const capability = unique('cap')
  const task = { required_capabilities: [capability], queue_timeout: 600 }
  const lane = (id: string): string => `task.submitted.normal.${id}`
  const stats = () => stranger().ask<{ parked: number }>('executor.stats')
  await limit(5 * WINDOW)
  const ids = await fill(lane, task)
  // Parking needs a place for a moment, so that it goes on as far as there is one.
  await limit(6 * WINDOW)
  await until(async () => (await stats()).parked > WINDOW)
  ids.push(...(await fill(lane, task)))
  await using pool = await stranger().pool(unique('pool'), {
    capabilities: [capability],
    handler: (work) => completed(work, {}),
  })
  await completeAll(ids)
  expect(pool.received).toHaveLength(ids.length)
})

test('what becomes due while the stream is full is not forgotten', async () => {
  const capability = unique('cap')
  await using _ = await stranger().pool(unique('pool'), { capabilities: [capability] })
  const dueAt = Date.now() + 7_000
  const later = await stranger().submit({
    required_capabilities: [capability],
    not_before: new Date(dueAt).toISOString(),
  })
  await until(async () => {
    const { state } = await stranger().jsm.streams.info('TASKS', { subjects_filter: 'task.parked.>' })
    return Object.keys(state.subjects ?? {}).length === 1
  }, 'the task to be stored away')
  await limit(10)
  const unfit = { required_capabilities: [unique('nobody')], queue_timeout: 600 }
  const others = await fill((id) => `task.submitted.normal.${id}`, unfit)
  expect(await stranger().resultFrom(later)).toMatchObject({ status: 'completed' })
  expect(await messages()).toBe(others.length)
})

test('the client says OVERLOADED, with a hint, or waits where it was given many', async () => {
  const capability = unique('cap')
  const task = { task_type: 'test', payload: {}, required_capabilities: [capability], queue_timeout: 600 }
  await limit(10)
  const ids = await fill((id) => `task.submitted.normal.${id}`, task)
  await using system = await createDistributedPoolSystem({ servers: stranger().url })
  await expect(system.executor.executeTask(task)).rejects.toMatchObject({
    code: 'OVERLOADED',
    retryAfterMs: 1_000,
    message: expect.stringContaining('try again'),
  })
  const many = system.executor.submitMany(Array.from({ length: 50 }, () => task))
  const collect = async (): Promise<string[]> => {
    const statuses: string[] = []
    for await (const { status } of many) statuses.push(status)
    return statuses
  }
  const statuses = collect()
  await using _ = await stranger().pool(unique('pool'), { capabilities: [capability] })
  expect(await statuses).toEqual(Array.from({ length: 50 }, () => 'completed'))
  await completeAll(ids)
})
