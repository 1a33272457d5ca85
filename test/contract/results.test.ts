// Contract, "Submitting work": task.completed, task.completed.<id>, task.result.
import { until } from '@poolmesh/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  completed,
  failed,
  gate,
  type Result,
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

test('task.completed tells each task once, whatever ended it, alone or in a batch', async () => {
  await using pool = await stranger.own({
    handler: (work) => (work.task.payload['fail'] ? failed(work, 'as asked') : completed(work, {})),
  })
  const nobody = { required_capabilities: [unique('nobody')] }
  const expected = new Map<string, string>()
  const alone = async (status: string, task: object) =>
    expected.set(await stranger.submit({ ...task }), status)
  for (let i = 0; i < 50; i++) await alone('completed', pool.task)
  for (let i = 0; i < 10; i++) await alone('failed', { ...pool.task, payload: { fail: true } })
  for (let i = 0; i < 10; i++) await alone('timeout', { ...nobody, queue_timeout: 1 })
  for (let i = 0; i < 10; i++) {
    const id = await stranger.submit(nobody)
    expected.set(id, 'cancelled')
    await stranger.ask('task.cancel', { task_id: id })
  }
  const batch = unique('batch')
  const tasks = Array.from({ length: 100 }, (_, i) => ({
    task_type: 'x',
    payload: i % 10 ? {} : { fail: true },
    ...pool.task,
  }))
  await stranger.store(`task.submitted.normal.${batch}`, tasks)
  for (const i of tasks.keys()) expected.set(`${batch}-${i}`, i % 10 ? 'completed' : 'failed')
  for (const [id, status] of expected)
    expect(await stranger.resultOf(id)).toMatchObject({ task_id: id, status })
  await stranger.run(pool.task)
  for (const id of expected.keys()) expect(stranger.resultsOf(id), id).toHaveLength(1)
  expect(pool.received).toHaveLength(50 + 10 + 100 + 1)
})

test('a task submitted alone has a message of its own: an object', async () => {
  await using pool = await stranger.own()
  const id = await stranger.submit(pool.task)
  await stranger.resultOf(id)
  expect(stranger.told.some((body) => !Array.isArray(body) && body.task_id === id)).toBe(true)
})

test('every result has every field of DistributedTaskResult, and unknown outputs as they were', async () => {
  await using pool = await stranger.own({
    handler: (work) =>
      work.task.payload['fail']
        ? { ...failed(work, 'no luck'), output: { half: 'done' } }
        : completed(work, { a: [1, null] }),
  })
  const good = await stranger.run(pool.task)
  const bad = await stranger.run({ ...pool.task, payload: { fail: true } })
  for (const result of [good, bad])
    expect(Object.keys(result)).toEqual(
      expect.arrayContaining(['task_id', 'pool_name', 'status', 'output', 'error', 'duration', 'metadata']),
    )
  expect(good).toMatchObject({ output: { a: [1, null] }, error: null, duration: 0.001 })
  expect(bad).toMatchObject({
    status: 'failed',
    output: { half: 'done' },
    error: 'no luck',
    metadata: { reason: 'HANDLER_ERROR', attempts: 1 },
  })
})

test('task.completed.<id> of a task submitted alone is one direct get', async () => {
  await using pool = await stranger.own()
  const id = await stranger.submit(pool.task)
  const told = await stranger.resultOf(id)
  expect(await stranger.stored(id)).toEqual(told)
})

test('task.completed.<id> of a batch has all its results, each once', async () => {
  await using pool = await stranger.own()
  const batch = unique('batch')
  const tasks = Array.from({ length: 60 }, () => ({ task_type: 'x', payload: {}, ...pool.task }))
  await stranger.store(`task.submitted.normal.${batch}`, tasks)
  for (const i of tasks.keys()) await stranger.resultOf(`${batch}-${i}`)
  const stored: Result[] = []
  const messages = await stranger.jsm.direct.getBatch('RESULTS', {
    seq: 1,
    next_by_subj: `task.completed.${batch}`,
    batch: 1_000,
  })
  for await (const message of messages) stored.push(...[message.json<Result | Result[]>()].flat())
  expect(stored.map((result) => result.task_id).sort()).toEqual(tasks.map((_, i) => `${batch}-${i}`).sort())
})

test('the stream RESULTS keeps results for 24 hours', async () => {
  const { config } = await stranger.jsm.streams.info('RESULTS')
  expect(config.max_age).toBe(24 * 3600 * 1e9)
  expect(config.subjects).toContain('task.completed.*')
})

test('task.result gives the stored result of a task that was submitted alone, and of one of a batch', async () => {
  await using pool = await stranger.own()
  const id = await stranger.submit(pool.task)
  const batch = unique('batch')
  await stranger.store(
    `task.submitted.low.${batch}`,
    Array.from({ length: 12 }, () => ({ task_type: 'x', payload: {}, priority: 1, ...pool.task })),
  )
  for (const task_id of [id, `${batch}-0`, `${batch}-11`]) {
    const told = await stranger.resultOf(task_id)
    expect(await stranger.ask('task.result', { task_id })).toEqual(told)
  }
})

test('an id that looks like one of a batch is a task like any other', async () => {
  const open = gate()
  await using pool = await stranger.own({ handler: (work) => open.opened.then(() => completed(work, {})) })
  const id = `${unique('order')}-17`
  await stranger.submit({ ...pool.task, task_id: id })
  await stranger.untilStatus(id, 'running')
  open.open()
  const told = await stranger.resultOf(id)
  expect(await stranger.ask('task.result', { task_id: id })).toEqual(told)
  expect(await stranger.status(id)).toMatchObject({ status: 'completed' })
})

test('task.result of a task that has not ended is its status', async () => {
  const open = gate()
  await using pool = await stranger.own({ handler: (work) => open.opened.then(() => completed(work, {})) })
  const waiting = await stranger.submit({ required_capabilities: [unique('nobody')] })
  expect(await stranger.ask('task.result', { task_id: waiting })).toMatchObject({
    task_id: waiting,
    status: 'pending',
  })
  const busy = await stranger.submit(pool.task)
  await until(() => pool.received.length === 1)
  expect(await stranger.ask('task.result', { task_id: busy })).toMatchObject({
    task_id: busy,
    status: 'running',
    pool_name: pool.name,
    attempt: 1,
    submitted_at: expect.stringMatching(RFC3339_UTC),
    started_at: expect.stringMatching(RFC3339_UTC),
    finished_at: null,
  })
  open.open()
  await stranger.resultOf(busy)
})

test('task.result of a task that nobody knows, of a batch that is there without it, and of no id', async () => {
  await using pool = await stranger.own()
  const batch = unique('batch')
  await stranger.store(`task.submitted.normal.${batch}`, [{ task_type: 'x', payload: {}, ...pool.task }])
  await stranger.resultOf(`${batch}-0`)
  expect(await stranger.refusal('task.result', { task_id: unique('never') })).toMatchObject({
    code: 'NOT_FOUND',
  })
  expect(await stranger.refusal('task.result', { task_id: `${batch}-1` })).toMatchObject({
    code: 'NOT_FOUND',
  })
  expect(await stranger.refusal('task.result', {})).toMatchObject({
    code: 'INVALID_INPUT',
    issues: [{ path: 'task_id' }],
  })
})

test('a result is there for whoever asks the moment it is told', async () => {
  await using pool = await stranger.own()
  const id = unique('t')
  const { promise, resolve } = Promise.withResolvers<unknown[]>()
  const subscription = stranger.nc.subscribe('task.completed', {
    callback: (_, message) => {
      if (message.json<Result>().task_id !== id) return
      resolve(
        Promise.all([stranger.stored(id), stranger.ask('task.result', { task_id: id }), stranger.status(id)]),
      )
    },
  })
  await stranger.submit({ ...pool.task, task_id: id })
  const [stored, result, status] = await promise
  subscription.unsubscribe()
  for (const seen of [stored, result, status])
    expect(seen).toMatchObject({ task_id: id, status: 'completed' })
})
