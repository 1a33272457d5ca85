// Dead letters: a task that kills its pools ends after the fifth, is kept with its history, and can be sent again.
import { connect } from '@nats-io/transport-node'
import { createDistributedPoolSystem } from '@poolmesh/client'
import { until } from '@poolmesh/testkit'
import { definePool } from '@poolmesh/worker'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { completed, type Json, type Result, type RunningSystem, startSystem, unique } from './harness.ts'

let running: RunningSystem
const stranger = () => running.stranger
beforeAll(async () => {
  running = await startSystem()
})
afterAll(() => running[Symbol.asyncDispose]())

interface Letter extends Json {
  task: Json
  result: Result
  history: Json[]
  at: string
}

const POOLS = 5

/** Five pools that go away with the task that they get. @returns their capability */
async function victims(): Promise<string> {
  const capability = unique('cap')
  const names = Array.from({ length: POOLS }, () => unique('victim'))
  for (const name of names)
    await stranger().pool(name, {
      capabilities: [capability],
      handler: async () => {
        await stranger().ask('pool.deregister', { name })
        await new Promise(() => {})
      },
    })
  await stranger().fitting({ required_capabilities: [capability] }, names)
  return capability
}

/** @returns its id, and the capability that nobody has any more */
async function poison(task: Json = {}): Promise<{ id: string; capability: string }> {
  const capability = await victims()
  const id = await stranger().submit({ required_capabilities: [capability], ...task })
  expect(await stranger().resultOf(id)).toMatchObject({ status: 'failed', metadata: { reason: 'POISON' } })
  return { id, capability }
}

const letter = (id: string): Promise<Letter> =>
  until(async () => {
    const reply = await stranger().ask<Letter>('dead.get', { task_id: id })
    return 'task' in reply && reply
  }, `the letter of ${id}`)

test('after the fifth lost pool the task is a dead letter, with its history, for everybody who listens', async () => {
  const told = await stranger().listen<Letter>('task.dead.*')
  const { id, capability } = await poison({ payload: { n: 7 }, metadata: { mark: 'x' } })
  const dead = await letter(id)
  expect(dead).toMatchObject({
    task: {
      task_id: id,
      payload: { n: 7 },
      required_capabilities: [capability],
      metadata: { mark: 'x' },
    },
    result: { task_id: id, status: 'failed', metadata: { reason: 'POISON', attempts: 0 } },
    history: Array.from({ length: POOLS }, () => ({ reason: 'POOL_LOST' })),
  })
  expect(new Set(dead.history.map(({ pool }) => pool)).size).toBe(POOLS)
  await until(() => told.some(({ task }) => task['task_id'] === id))
})

test('a dead letter that is sent again is a new task, once, and no letter any more', async () => {
  const { id, capability } = await poison({ payload: { n: 8 } })
  await letter(id)
  const both = await Promise.all([1, 2].map(() => stranger().reply('dead.retry', { task_id: id })))
  const replies = both.map((message) => message.json<Json>())
  const done = replies.filter((reply) => 'retry_of' in reply)
  expect(done[0]).toEqual({ task_id: expect.stringMatching(/^[\w-]{1,64}$/), retry_of: id })
  const again = done[0]?.['task_id'] as string
  // Whoever came second was told the same, or that there is none any more.
  for (const reply of replies)
    if (reply !== done[0])
      expect([again, 'NOT_FOUND']).toContain(reply['task_id'] ?? (reply['error'] as Json)['code'])
  await using pool = await stranger().pool(unique('good'), { capabilities: [capability] })
  expect(await stranger().resultOf(again)).toMatchObject({ status: 'completed', pool_name: pool.name })
  expect(pool.received.map(({ task }) => task)).toEqual([
    expect.objectContaining({ task_id: again, payload: { n: 8 }, metadata: { retry_of: id } }),
  ])
  expect(await stranger().refusal('dead.get', { task_id: id })).toMatchObject({ code: 'NOT_FOUND' })
  expect(await stranger().refusal('dead.retry', { task_id: id })).toMatchObject({ code: 'NOT_FOUND' })
  expect(await stranger().stored(id)).toMatchObject({ status: 'failed' })
})

test('letters are listed page by page, and taken out one by one or all', async () => {
  const ids = [await poison(), await poison(), await poison()].map(({ id }) => id)
  for (const id of ids) await letter(id)
  const seen: Json[] = []
  let cursor: unknown = null
  do {
    const page: { dead: Json[]; cursor: unknown } = await stranger().ask('dead.list', { limit: 2, cursor })
    expect(page.dead.length).toBeLessThanOrEqual(2)
    seen.push(...page.dead)
    cursor = page.cursor
  } while (cursor !== null)
  const mine = seen.filter(({ task_id }) => ids.includes(task_id as string))
  expect(mine.map(({ task_id }) => task_id)).toEqual(ids)
  expect(mine[0]).toEqual({
    task_id: ids[0],
    task_type: 'test',
    reason: 'POISON',
    error: expect.stringContaining('5 pools were lost'),
    at: expect.any(String),
    attempts: 0,
  })
  expect(await stranger().ask('dead.purge', { task_id: ids[1] })).toEqual({ purged: 1 })
  expect(await stranger().ask('dead.purge', { task_id: ids[1] })).toEqual({ purged: 0 })
  expect(await stranger().ask<Json>('dead.purge', { all: true })).toEqual({ purged: seen.length - 1 })
  expect(await stranger().ask('dead.list')).toEqual({ dead: [], cursor: null })
})

test.each([
  ['dead.get', {}, 'task_id'],
  ['dead.get', { task_id: 'a.b' }, 'task_id'],
  ['dead.retry', { task_id: '*' }, 'task_id'],
  ['dead.purge', {}, ''],
  ['dead.purge', { task_id: 'a', all: true }, ''],
  ['dead.purge', { all: false }, 'all'],
  ['dead.list', { cursor: 'x' }, 'cursor'],
  ['dead.list', { limit: 0 }, 'limit'],
])('%s refuses %j', async (subject, request, path) => {
  const { code, issues } = await stranger().refusal(subject, request)
  expect(code).toBe('INVALID_INPUT')
  expect(issues).toContainEqual(expect.objectContaining({ path }))
})

test('whoever takes over a task whose result is stored and whose letter is not, stores the letter', async () => {
  const id = unique('t')
  const submitted_at = new Date().toISOString()
  const result = {
    task_id: id,
    pool_name: null,
    status: 'failed',
    output: null,
    error: '5 pools were lost while they ran the task',
    duration: 0,
    metadata: { attempts: 0, queued_ms: 0, submitted_at, reason: 'POISON', history: [] },
  }
  await stranger().store(`task.completed.${id}`, result)
  await stranger().store(`task.submitted.normal.${id}`, { task_id: id, task_type: 'test', payload: { n: 9 } })
  expect(await letter(id)).toMatchObject({ task: { payload: { n: 9 } }, result: { task_id: id } })
  // Taken out by somebody, it is not stored anew when the message comes once more.
  expect(await stranger().ask('dead.purge', { task_id: id })).toEqual({ purged: 1 })
  await until(async () => (await pending(id)) === 0)
  await stranger().store(`task.submitted.normal.${id}`, { task_id: id, task_type: 'test', payload: { n: 9 } })
  await until(async () => (await pending(id)) === 0)
  expect(await stranger().refusal('dead.get', { task_id: id })).toMatchObject({ code: 'NOT_FOUND' })
})

async function pending(id: string): Promise<number> {
  const info = await stranger().jsm.streams.info('TASKS', { subjects_filter: `task.submitted.*.${id}` })
  return Object.keys(info.state.subjects ?? {}).length
}

test('a payload too large for a message is still there for the new task', async () => {
  const text = 'x'.repeat(3 * 1024 ** 2)
  const capability = await victims()
  await using system = await createDistributedPoolSystem({ servers: stranger().url })
  const task = { task_type: 'test', payload: { text }, required_capabilities: [capability] }
  const result = await system.executor.executeTask(task)
  expect(result).toMatchObject({ status: 'failed', metadata: { reason: 'POISON' } })
  await letter(result.task_id)
  const again = await system.executor.deadLetters.retry(result.task_id)
  const nc = await connect({ servers: stranger().url })
  const pool = await definePool({
    name: unique('good'),
    capabilities: [capability],
    handler: ({ payload }) => ({ characters: String(payload['text']).length }),
  }).start({ nc })
  expect(await stranger().resultOf(again.task_id)).toMatchObject({ output: { characters: text.length } })
  await pool[Symbol.asyncDispose]()
  await nc.close()
})

test('a branch of a fan-out can be one too', async () => {
  const name = unique('victim')
  let lives = POOLS
  const start = () =>
    stranger().pool(name, {
      handler: async (work, pool) => {
        if (--lives < 0) return completed(work, {})
        // Work comes before the answer to its registration does.
        await until(() => 'name' in pool.registered)
        await pool.die()
        void start()
        return undefined
      },
    })
  await start()
  await stranger().fitting({ pool: name }, [name])
  const id = await stranger().submit({ fan_out: { pools: [name], aggregation: 'all_success' } })
  expect(await stranger().resultOf(id)).toMatchObject({ status: 'failed' })
  expect(await letter(`${id}_f-0`)).toMatchObject({ result: { metadata: { reason: 'POISON' } } })
})
