// A pool behind HTTP, asked by anybody: plain requests, no adapter.
import { request as httpRequest } from 'node:http'
import { silentLogger } from '@poolmesh/bus'
import { until } from '@poolmesh/testkit'
import { afterEach, expect, test } from 'vitest'
import { definePool, type PoolOptions, type ServeHttpOptions, serveHttp } from '../src/index.ts'
import { gate } from './peers.ts'

let stack = new AsyncDisposableStack()
afterEach(async () => {
  await stack.disposeAsync()
  stack = new AsyncDisposableStack()
})

async function pool(options: Partial<PoolOptions>, http: ServeHttpOptions = {}) {
  const defined = definePool({ name: 'p', handler: () => ({}), ...options })
  const served = await serveHttp(defined, {
    log: silentLogger(),
    handleSignals: false,
    drainTimeout: 0.1,
    ...http,
  })
  stack.defer(() => served.stop({ drain: false }))
  const ask = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(served.endpoint + path, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    return { status: response.status, headers: response.headers, body: JSON.parse(await response.text()) }
  }
  const post = (task: object, attempt = 1) =>
    ask('POST', '/tasks', { task_type: 't', payload: {}, ...task }, { 'poolmesh-attempt': String(attempt) })
  return { served, ask, post, get: (id: string) => ask('GET', `/tasks/${id}`) }
}

test('a task that ends soon is answered at once, with a result', async () => {
  const { post } = await pool({ handler: (task, { attempt }) => ({ got: task.payload, attempt }) })
  const { status, body } = await post({ task_id: 'a', payload: { n: 1 } }, 2)
  expect([status, body]).toEqual([
    200,
    {
      task_id: 'a',
      pool_name: 'p',
      status: 'completed',
      output: { got: { n: 1 }, attempt: 2 },
      error: null,
      duration: expect.any(Number),
      metadata: {},
      attempt: 2,
    },
  ])
})

test('one that takes longer is 202, then asked for, with how far it is; a task without an id gets one', async () => {
  const { open, opened } = gate()
  const { post, get } = await pool({
    handler: async (_, { progress }) => {
      progress(0.5, 'half')
      await opened
    },
  })
  const { status, headers, body } = await post({})
  expect([status, body.status]).toEqual([202, 'running'])
  expect(headers.get('location')).toBe(`/tasks/${body.task_id}`)
  expect((await get(body.task_id)).body).toMatchObject({
    status: 'running',
    attempt: 1,
    progress: { fraction: 0.5, message: 'half' },
  })
  open()
  const result = await until(async () => {
    const { body: said } = await get(body.task_id)
    return said.status !== 'running' && said
  })
  expect(result).toMatchObject({ status: 'completed', output: {} })
})

test('sent again it runs once, also after it has ended; with the next number it is another run', async () => {
  let runs = 0
  const { post } = await pool({ handler: () => ({ run: ++runs }) })
  expect((await post({ task_id: 'a' })).body.output).toEqual({ run: 1 })
  expect((await post({ task_id: 'a' })).body.output).toEqual({ run: 1 })
  expect((await post({ task_id: 'a' }, 2)).body.output).toEqual({ run: 2 })
  expect((await post({ task_id: 'a' }, 1)).status).toBe(409)
})

test('with every worker taken more is refused, and when to come again is said', async () => {
  const { open, opened } = gate()
  const { post, ask, served } = await pool({ maxWorkers: 2, handler: () => opened })
  await Promise.all([post({ task_id: 'a' }), post({ task_id: 'b' })])
  const { status, headers, body } = await post({ task_id: 'c' })
  expect([status, headers.get('retry-after'), body.error.code]).toEqual([503, '1', 'POOL_REFUSED'])
  const again = { task_id: 'a', task_type: 't', payload: {} }
  expect((await ask('POST', '/tasks', again, { 'idempotency-key': 'a/1' })).status).toBe(202)
  open()
  await until(() => served.stats.running === 0)
  expect((await post({ task_id: 'c' })).status).toBe(200)
})

test('a body that is being read has a worker already', async () => {
  const { post, served } = await pool({ maxWorkers: 1 })
  const slow = httpRequest(`${served.endpoint}/tasks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
  })
  slow.on('error', () => {})
  slow.write('{')
  await until(async () => (await post({ task_id: 'a' })).status === 503, 'the slow one to have the worker')
  slow.destroy()
  await until(async () => (await post({ task_id: 'a' })).status === 200, 'the worker to be free again')
})

test('cancelled: answered when the handler has stopped', async () => {
  const { post, ask } = await pool({
    handler: (_, { signal }) =>
      new Promise((resolve) => signal.addEventListener('abort', () => setImmediate(resolve))),
  })
  await post({ task_id: 'a' })
  const { status, body } = await ask('DELETE', '/tasks/a')
  expect([status, body.status]).toEqual([200, 'cancelled'])
  expect((await ask('DELETE', '/tasks/b')).status).toBe(404)
})

test.for<[string, string, unknown, Record<string, string>, number, string]>([
  ['no JSON', '/tasks', '{', {}, 400, 'INVALID_JSON'],
  ['no task', '/tasks', { task_id: 'a' }, {}, 400, 'INVALID_INPUT'],
  ['another type', '/tasks', '{}', { 'content-type': 'text/plain' }, 415, 'INVALID_INPUT'],
  ['too much', '/tasks', { task_id: 'x'.repeat(2_000) }, {}, 413, 'PAYLOAD_TOO_LARGE'],
  ['no such path', '/else', {}, {}, 404, 'NOT_FOUND'],
  ['no such method', '/health', {}, {}, 405, 'INVALID_INPUT'],
  ['another host', '/tasks', {}, { host: 'evil.example' }, 403, 'UNAUTHORIZED'],
])('%s is refused as all services refuse', async ([, path, body, headers, status, code]) => {
  const { served } = await pool({}, { maxBodyBytes: 1_000 })
  const said = await new Promise<{ status: number; text: string }>((resolve, reject) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const asked = httpRequest(
      served.endpoint + path,
      { method: 'POST', headers: { 'content-type': 'application/json', ...headers } },
      async (response) =>
        resolve({ status: response.statusCode ?? 0, text: (await response.toArray()).join('') }),
    )
    // In parts, so without its length in a header.
    asked.on('error', reject).write(text)
    asked.end()
  })
  expect(said.status).toBe(status)
  expect(JSON.parse(said.text)).toEqual({
    error: { code, message: expect.stringMatching(/./), issues: expect.any(Array) },
  })
})

test('with a token only who has it is served; whether it lives is open to all', async () => {
  const { ask } = await pool({}, { token: 'secret' })
  expect((await ask('GET', '/pools')).status).toBe(401)
  expect((await ask('GET', '/pools', undefined, { authorization: 'Bearer secre' })).status).toBe(401)
  expect((await ask('GET', '/pools', undefined, { authorization: 'Bearer secret' })).status).toBe(200)
  expect((await ask('GET', '/health')).body).toEqual({ status: 'healthy', current_workers: 0, queue_size: 0 })
})

test('an address that others reach needs a token', async () => {
  await expect(pool({}, { host: '0.0.0.0' })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  await expect(pool({}, { host: '::', token: '' })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
})

test('it describes itself for discovery, with its load', async () => {
  const { open, opened } = gate()
  const { post, ask, served } = await pool({ capabilities: ['x'], region: 'eu', handler: () => opened })
  await post({ task_id: 'a' })
  expect((await ask('GET', '/pools')).body.pools).toMatchObject([
    {
      name: 'p',
      pool_type: 'mahavishnu',
      endpoint: served.endpoint,
      capabilities: ['x'],
      region: 'eu',
      current_workers: 1,
    },
  ])
  open()
})

test('results are kept as long as there is room for them, the last one always', async () => {
  const { post, get } = await pool(
    { handler: ({ payload }) => ({ text: 'x'.repeat(payload['size'] as number) }) },
    { keep: { results: 2, bytes: 1_000 } },
  )
  const status = async (id: string): Promise<number> => (await get(id)).status
  for (const id of ['a', 'b', 'c']) await post({ task_id: id, payload: { size: 1 } })
  expect([await status('a'), await status('b'), await status('c')]).toEqual([404, 200, 200])
  await post({ task_id: 'd', payload: { size: 2_000 } })
  expect([await status('c'), await status('d')]).toEqual([404, 200])
})

test('stopped: it takes no more, is unavailable, and gives what it has until that is fetched', async () => {
  const { open, opened } = gate()
  const { post, ask, get, served } = await pool({ handler: () => opened }, { drainTimeout: 10 })
  await post({ task_id: 'a' })
  const stopped = served.stop()
  expect((await ask('GET', '/health')).status).toBe(503)
  expect((await post({ task_id: 'b' })).body.error.code).toBe('POOL_REFUSED')
  open()
  await until(() => served.stats.completed === 1)
  expect((await get('a')).body.status).toBe('completed')
  await stopped
  await served.closed
  await expect(get('a')).rejects.toThrow()
})

test('what does not end in time is given back, to run elsewhere', async () => {
  const { post, get, served } = await pool({ handler: () => new Promise(() => {}) })
  await post({ task_id: 'a' })
  const stopped = served.stop()
  const result = await until(async () => {
    const { body } = await get('a')
    return body.status !== 'running' && body
  })
  expect(result).toMatchObject({ status: 'failed', metadata: { reason: 'POOL_REFUSED' } })
  await stopped
})

test('an output of more than 512 KiB goes with its answer', async () => {
  const { post } = await pool({ handler: () => ({ text: 'x'.repeat(2 ** 20) }) })
  expect((await post({ task_id: 'a' })).body.output.text).toHaveLength(2 ** 20)
})

test('only what definePool made is served', async () => {
  const { name, descriptor, start } = definePool({ name: 'p', handler: () => ({}) })
  await expect(serveHttp({ name, descriptor, start })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
})
