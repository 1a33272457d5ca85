import { dataPool, textPool } from '@poolmesh/example-pools'
import { until } from '@poolmesh/testkit'
import { definePool } from '@poolmesh/worker'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Served, startServed } from './fixture.ts'

let it: Served
const owned = new AsyncDisposableStack()
const held = Promise.withResolvers<void>()

beforeAll(async () => {
  it = owned.use(await startServed())
  const { nc } = it.system
  const holding = definePool({
    name: 'holding',
    capabilities: ['hold'],
    maxWorkers: 2,
    handler: async (_task, { signal }) => {
      await Promise.race([held.promise, new Promise((resolve) => signal.addEventListener('abort', resolve))])
      return { held: true }
    },
  })
  for (const pool of [textPool, dataPool, holding]) owned.use(await pool.start({ nc }))
})
afterAll(async () => {
  held.resolve()
  await owned.disposeAsync()
})

const words = { task_type: 'text.words', payload: { text: 'to be or not' }, required_capabilities: ['text'] }
const hold = { task_type: 'hold', payload: {}, required_capabilities: ['hold'] }

test('a task is stored: 202 with where it is, and later its result is there', async () => {
  const { status, headers, body } = await it.ask('POST', '/api/v1/tasks', words)
  expect(status).toBe(202)
  expect(headers.get('location')).toBe(`/api/v1/tasks/${body.task_id}`)
  const ended = await until(async () => {
    const state = await it.ask('GET', `/api/v1/tasks/${body.task_id}`)
    return state.body.status === 'completed' && state.body
  })
  expect(ended.result).toMatchObject({ task_id: body.task_id, output: { words: 4 } })
})

test('Prefer: wait gives the result, and 202 when it takes longer', async () => {
  const { status, headers, body } = await it.ask('POST', '/api/v1/tasks', words, { prefer: 'wait=30' })
  expect(status).toBe(200)
  expect(headers.get('preference-applied')).toBe('wait=30')
  expect(body).toMatchObject({ status: 'completed', pool_name: 'text-pool', output: { words: 4 } })
  const late = await it.ask('POST', '/api/v1/tasks', hold, { prefer: 'wait=1' })
  expect(late.status).toBe(202)
  const cancelled = await it.ask('DELETE', `/api/v1/tasks/${late.body.task_id}?reason=enough`)
  expect(cancelled.body).toMatchObject({ cancelled: true, status: 'cancelled' })
  expect((await it.ask('POST', '/api/v1/tasks', words, { prefer: 'wait=soon' })).status).toBe(400)
})

test('an Idempotency-Key is one task, however often it is sent, while it runs and after', async () => {
  const key = { 'idempotency-key': 'one-of-a-kind' }
  const first = await it.ask('POST', '/api/v1/tasks', hold, key)
  expect(first.body.task_id).toBe('one-of-a-kind')
  const again = await it.ask('POST', '/api/v1/tasks', hold, key)
  expect([again.status, again.body.task_id]).toEqual([202, 'one-of-a-kind'])
  const other = await it.ask('POST', '/api/v1/tasks', words, key)
  expect([other.status, other.body.code]).toEqual([409, 'CONFLICT'])
  await it.ask('DELETE', '/api/v1/tasks/one-of-a-kind')
  const after = await it.ask('POST', '/api/v1/tasks', hold, { ...key, prefer: 'wait=30' })
  expect([after.status, after.body.status]).toEqual([200, 'cancelled'])
  const quoted = await it.ask('POST', '/api/v1/tasks', words, { 'idempotency-key': '"two words"' })
  expect(quoted.body.task_id).toMatch(/^key_[A-Za-z0-9_-]{43}$/)
})

test('what is no task is refused with the codes and the paths of the bus', async () => {
  const wrong = { task_type: '', payload: 3, fan_out: { pools: [], aggregation: 'best' } }
  const { status, headers, body } = await it.ask('POST', '/api/v1/tasks', wrong)
  expect(status).toBe(400)
  expect(headers.get('content-type')).toContain('application/problem+json')
  expect(body).toMatchObject({ code: 'INVALID_INPUT', type: 'urn:poolmesh:error:INVALID_INPUT', status: 400 })
  expect(body.issues.map(({ path }: { path: string }) => path)).toEqual(
    expect.arrayContaining(['task_type', 'payload', 'fan_out.aggregation']),
  )
  expect((await it.ask('POST', '/api/v1/tasks', '{')).body.code).toBe('INVALID_JSON')
  const unknown = await it.ask('GET', '/api/v1/tasks/nobody-knows-it')
  expect([unknown.status, unknown.body.code]).toEqual([404, 'NOT_FOUND'])
})

test('a task is explained, before it is submitted and while it runs, and has a time line', async () => {
  const before = await it.ask('POST', '/api/v1/tasks:explain', words)
  expect(before.body).toMatchObject({ chosen: 'text-pool', status: null })
  const { body } = await it.ask('POST', '/api/v1/tasks', words, { prefer: 'wait=30' })
  expect((await it.ask('GET', `/api/v1/tasks/${body.task_id}/explain`)).body.status).toBe('completed')
  const line = await it.ask('GET', `/api/v1/tasks/${body.task_id}/attempts`)
  expect(line.body.attempts).toMatchObject([{ pool: 'text-pool', outcome: 'completed' }])
  expect(line.body.total_ms).toBeGreaterThanOrEqual(0)
})

test('the time line has when each attempt began and ended', async () => {
  const pool = definePool({
    name: 'flaky',
    maxWorkers: 1,
    handler: () => {
      if (++tries === 1) throw new Error('not yet')
      return {}
    },
  })
  let tries = 0
  await using _running = await pool.start({ nc: it.system.nc })
  const task = { task_type: 'flaky', payload: {}, pool: 'flaky', max_attempts: 2 }
  const { body } = await it.ask('POST', '/api/v1/tasks', task, { prefer: 'wait=30' })
  expect(body.status).toBe('completed')
  const line = (await it.ask('GET', `/api/v1/tasks/${body.task_id}/attempts`)).body
  expect(line.attempts).toMatchObject([
    { pool: 'flaky', outcome: 'HANDLER_ERROR', error: expect.stringContaining('not yet') },
    { pool: 'flaky', outcome: 'completed', error: null },
  ])
  const times = line.attempts.flatMap(({ started_at, finished_at }: Record<string, string>) => [
    Date.parse(started_at!),
    Date.parse(finished_at!),
  ])
  expect(times.every(Number.isFinite)).toBe(true)
  expect(times).toEqual(times.toSorted((a: number, b: number) => a - b))
  expect(times[0]).toBe(Date.parse(line.started_at))
})

test('a batch has an item for each task, in their order', async () => {
  const tasks = [words, { task_type: '' }, words]
  const { status, body } = await it.ask('POST', '/api/v1/tasks:batch', { tasks })
  expect(status).toBe(200)
  expect(body.items).toMatchObject([
    { task_id: expect.any(String) },
    { error: { code: 'INVALID_INPUT' } },
    { task_id: expect.any(String) },
  ])
  expect((await it.ask('POST', '/api/v1/tasks:batch', { tasks: [] })).body.issues[0].path).toBe('tasks')
})

test('lines are answered by their numbers, the bad ones too, and all good ones have an id of their own', async () => {
  const lines = Array.from({ length: 3_000 }, (_, i) =>
    i % 1_000 === 999 ? 'nonsense' : JSON.stringify(words),
  )
  const { status, body } = await it.ask('POST', '/api/v1/tasks:ndjson', lines.join('\n'), {
    'content-type': 'application/x-ndjson',
  })
  expect(status).toBe(200)
  const answers = String(body)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { line: number; task_id?: string; error?: { code: string } })
  expect(answers.map(({ line }) => line).sort((a, b) => a - b)).toEqual(lines.map((_, i) => i + 1))
  expect(answers.filter(({ error }) => error).map(({ error }) => error?.code)).toEqual([
    'INVALID_JSON',
    'INVALID_JSON',
    'INVALID_JSON',
  ])
  expect(new Set(answers.flatMap(({ task_id }) => task_id ?? [])).size).toBe(2_997)
})

test('the traceparent of a request is that of each of its tasks, alone, in a batch and as lines', async () => {
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
  const own = `00-${'c'.repeat(32)}-${'d'.repeat(16)}-01`
  const seen = new Map<string, unknown>()
  const pool = definePool({
    name: 'traced',
    handler: ({ task_id, metadata }) => {
      seen.set(task_id, metadata['traceparent'])
    },
  })
  await using _running = await pool.start({ nc: it.system.nc })
  const task = (task_id: string, more: object = {}) => ({
    task_id,
    task_type: 'look',
    payload: {},
    pool: 'traced',
    ...more,
  })
  await it.ask('POST', '/api/v1/tasks', task('alone'), { traceparent })
  const batch = { tasks: [task('in-batch'), task('in-batch-own', { metadata: { traceparent: own } })] }
  await it.ask('POST', '/api/v1/tasks:batch', batch, { traceparent })
  const lines = [task('as-line'), task('as-line-own', { metadata: { traceparent: own } })]
  const asLines = lines.map((line) => JSON.stringify(line)).join('\n')
  const types = { 'content-type': 'application/x-ndjson' }
  await it.ask('POST', '/api/v1/tasks:ndjson', asLines, { ...types, traceparent })
  await it.ask('POST', '/api/v1/tasks:batch', { tasks: [task('in-none')] }, { traceparent: 'none' })
  await until(() => seen.size === 6)
  expect(Object.fromEntries(seen)).toEqual({
    alone: traceparent,
    'in-batch': traceparent,
    'in-batch-own': own,
    'as-line': traceparent,
    'as-line-own': own,
    'in-none': undefined,
  })
})

test('the list has what runs first, then what ended, page by page without one twice', async () => {
  const running = await it.ask('POST', '/api/v1/tasks', { ...hold, task_id: 'seen-running' })
  expect(running.status).toBe(202)
  await until(async () => {
    const { body } = await it.ask('GET', '/api/v1/tasks?status=running')
    return body.items.some(
      (task: { task_id: string; task_type: string; pool_name: string }) =>
        task.task_id === 'seen-running' && task.task_type === 'hold' && task.pool_name === 'holding',
    )
  })
  const seen: string[] = []
  let cursor = ''
  for (let page = 0; page < 5; page++) {
    const { body } = await it.ask('GET', `/api/v1/tasks?limit=20${cursor}`)
    seen.push(...body.items.map(({ task_id }: { task_id: string }) => task_id))
    if (body.next === null) break
    cursor = `&cursor=${body.next}`
  }
  expect(seen[0]).toBe('seen-running')
  expect(seen.length).toBeGreaterThan(60)
  expect(new Set(seen).size).toBe(seen.length)
  const failed = await it.ask('GET', '/api/v1/tasks?status=cancelled')
  expect(failed.body.items.length).toBeGreaterThan(0)
  for (const { status } of failed.body.items) expect(status).toBe('cancelled')
  expect((await it.ask('GET', '/api/v1/tasks?cursor=nonsense')).status).toBe(400)
})

test('a fan-out is a tree of branches, and a broadcast goes to every pool that fits', async () => {
  const task = { task_type: 'checksum', payload: { text: 'x' }, required_capabilities: ['checksum'] }
  const fanOut = { pools: ['text-pool', 'data-pool'], aggregation: 'all_success' }
  const { headers, body } = await it.ask(
    'POST',
    '/api/v1/fanouts',
    { ...task, fan_out: fanOut },
    { prefer: 'wait=30' },
  )
  expect(headers.get('location')).toBe(`/api/v1/fanouts/${body.task_id}`)
  const tree = await it.ask('GET', `/api/v1/fanouts/${body.task_id}`)
  expect(tree.body).toMatchObject({ aggregation: 'all_success', branches: [{}, {}] })
  const sent = await it.ask('POST', '/api/v1/broadcasts', task, { prefer: 'wait=30' })
  expect(sent.body.output.branches).toHaveLength(2)
  expect((await it.ask('POST', '/api/v1/fanouts', task)).body.issues).toMatchObject([{ path: 'fan_out' }])
  const single = await it.ask('POST', '/api/v1/tasks', words, { prefer: 'wait=30' })
  expect((await it.ask('GET', `/api/v1/fanouts/${single.body.task_id}`)).status).toBe(404)
})
