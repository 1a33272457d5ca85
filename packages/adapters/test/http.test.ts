// The adapter of HTTP pools against a real server that behaves, and one that does not.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { silentLogger } from '@poolmesh/bus'
import type { Answer, Run } from '@poolmesh/core'
import { type HttpFault, HttpPool, type HttpPoolOptions, until } from '@poolmesh/testkit'
import { poolDescriptorSchema } from '@poolmesh/types'
import { afterEach, expect, test } from 'vitest'
import { HttpAdapter } from '../src/index.ts'

type Told =
  | { kind: 'answer'; attempt: number | null; answer: Answer }
  | { kind: 'gone' | 'lost'; attempt: number }

let stack = new AsyncDisposableStack()
afterEach(async () => {
  await stack.disposeAsync()
  stack = new AsyncDisposableStack()
})

function adapting(headers: Record<string, Record<string, string>> = {}) {
  const told: Told[] = []
  const adapter = new HttpAdapter({
    runs: {
      answer: (_pool, _id, attempt, answer) => void told.push({ kind: 'answer', attempt, answer }),
      gone: (_pool, _id, attempt) => void told.push({ kind: 'gone', attempt }),
      // As the engine does.
      lost: (pool, id, attempt) => {
        told.push({ kind: 'lost', attempt })
        adapter.cancel(pool, id)
      },
    },
    claims: { get: async () => ({ from: 'the store' }) },
    headers,
    log: silentLogger(),
  })
  stack.use(adapter)
  return { adapter, told, first: () => until(() => told[0], 'something to be told') }
}

const runIn = (endpoint: string, changes: object = {}, attempt = 1): Run =>
  ({
    entry: { task: { task_id: 't-1', task_type: 'test', payload: { n: 1 }, metadata: {}, ...changes } },
    pool: {
      name: 'p',
      descriptor: poolDescriptorSchema.parse({ name: 'p', pool_type: 'mahavishnu', endpoint }),
    },
    attempt,
    startedAt: Date.now(),
    deadline: Date.now() + 60_000,
    abandoned: false,
  }) as unknown as Run

const pool = async (options: HttpPoolOptions) => stack.use(await HttpPool.start(options))
const faulty = (fault: HttpFault) => pool({ mode: 'sync', fault: () => fault })
const completed = (output: object) => ({
  kind: 'answer',
  answer: { kind: 'answer', answer: { status: 'completed', output } },
})

for (const mode of ['sync', 'async'] as const) {
  test(`a ${mode} pool runs a task and is told its number and its deadline`, async () => {
    const server = await pool({ mode, handler: ({ task }) => ({ got: task.payload }) })
    const { adapter, first } = adapting()
    adapter.add(runIn(server.endpoint, {}, 3))
    expect(await first()).toMatchObject({ ...completed({ got: { n: 1 } }), attempt: 3 })
    expect(server.received[0]?.headers).toMatchObject({
      'poolmesh-attempt': '3',
      'poolmesh-deadline': expect.stringMatching(/Z$/),
      'idempotency-key': 't-1/3',
    })
  })

  test(`a failure in a ${mode} pool is told as the pool says it`, async () => {
    const server = await pool({
      mode,
      handler: () => {
        throw new Error('no paper')
      },
    })
    const { adapter, first } = adapting()
    adapter.add(runIn(server.endpoint))
    expect(await first()).toMatchObject({ answer: { answer: { status: 'failed', error: 'no paper' } } })
  })
}

test.for<[HttpFault, RegExp]>([
  ['wrong_type', /content type is text\/html/],
  ['not_json', /JSON/],
  ['no_result', /status/],
  ['another_task', /for another task, another/],
  ['error_500', /HTTP status 500/],
  ['unavailable_503', /HTTP status 503/],
  ['redirect', /HTTP status 302, redirects are not followed/],
  ['huge', /larger than \d+ bytes/],
])('%s is no result, and says why', async ([fault, problem]) => {
  const server = await faulty(fault)
  const { adapter, first } = adapting()
  adapter.add(runIn(server.endpoint))
  expect(await first()).toMatchObject({
    answer: { kind: 'invalid', problem: expect.stringMatching(problem) },
  })
  expect([server.received.length, server.redirected]).toEqual([1, 0])
})

test.for<HttpFault>(['reset', 'reset_mid_body'])(
  '%s: the pool is asked, and does not know it: lost',
  async (fault) => {
    const server = await faulty(fault)
    const { adapter, told, first } = adapting()
    adapter.add(runIn(server.endpoint))
    expect(await first()).toEqual({ kind: 'lost', attempt: 1 })
    expect(server.asked).toContain('t-1')
    // That nothing runs there any more gives the slot back.
    await until(() => told.length === 2)
    expect(told[1]).toMatchObject({ answer: { answer: { status: 'cancelled' } } })
  },
)

test.for<HttpFault>(['busy_429', 'busy_503'])(
  '%s is a refusal, with the time that the pool asks for',
  async (fault) => {
    const server = await pool({ mode: 'sync', fault: () => fault, retryAfter: 7 })
    const { adapter, first } = adapting()
    adapter.add(runIn(server.endpoint))
    expect(await first()).toMatchObject({
      answer: { answer: { metadata: { reason: 'POOL_REFUSED', retry_after_ms: 7_000 } } },
    })
  },
)

test.for<HttpFault>(['never', 'slower'])(
  '%s: when the task is given up the connection goes and the pool is told',
  async (fault) => {
    const server = await faulty(fault)
    const { adapter, told, first } = adapting()
    adapter.add(runIn(server.endpoint))
    await until(() => server.received.length === 1)
    expect(told).toEqual([])
    adapter.cancel('p', 't-1')
    expect(await first()).toMatchObject({ answer: { answer: { status: 'cancelled' } } })
    expect(server.cancelled).toEqual(['t-1'])
  },
)

test('late: an answer that comes after the task was given up is told to nobody', async () => {
  const server = await faulty('late')
  const { adapter, told, first } = adapting()
  adapter.add(runIn(server.endpoint))
  await until(() => server.received.length === 1)
  adapter.cancel('p', 't-1')
  await until(() => server.late.includes('t-1'))
  expect(await first()).toMatchObject({ answer: { answer: { status: 'cancelled' } } })
  adapter.add(runIn((await pool({ mode: 'sync' })).endpoint, { task_id: 't-2' }))
  await until(() => told.length === 2)
  expect(told[1]).toMatchObject({ answer: { answer: { status: 'completed' } } })
})

test('twice as slow each time: all are waited for', async () => {
  const server = await faulty('twice_as_slow')
  const { adapter, told } = adapting()
  for (let n = 0; n < 6; n++) adapter.add(runIn(server.endpoint, { task_id: `t-${n}` }))
  await until(() => told.length === 6)
  for (const one of told) expect(one).toMatchObject(completed({}))
})

test('where nobody listens the task was not begun', async () => {
  const server = await pool({ mode: 'sync' })
  const { endpoint } = server
  await server.kill()
  const { adapter, first } = adapting()
  adapter.add(runIn(endpoint))
  expect(await first()).toEqual({ kind: 'gone', attempt: 1 })
})

test('a run whose pool is killed is lost', async () => {
  const server = await pool({ mode: 'async', handler: () => new Promise(() => {}) })
  const { adapter, first } = adapting()
  adapter.add(runIn(server.endpoint))
  await until(() => server.asked.length > 0)
  await server.kill()
  expect(await first()).toEqual({ kind: 'lost', attempt: 1 })
})

test('another adapter goes on with a run that this one began', async () => {
  const gate = Promise.withResolvers<object>()
  const server = await pool({ mode: 'async', handler: () => gate.promise })
  const before = adapting()
  const run = runIn(server.endpoint)
  before.adapter.add(run)
  await until(() => server.asked.length > 0)
  before.adapter.standBy()
  const after = adapting()
  after.adapter.adopt(run)
  gate.resolve({ done: true })
  expect(await after.first()).toMatchObject(completed({ done: true }))
  expect([before.told, server.received.length, server.cancelled]).toEqual([[], 1, []])
})

test('a payload that travels by reference arrives whole', async () => {
  const server = await pool({ mode: 'sync', handler: ({ task }) => task })
  const { adapter, first } = adapting()
  const payload_ref = { store: 'PAYLOADS', name: 'x', size: 1, sha256: '0'.repeat(64) }
  adapter.add(runIn(server.endpoint, { payload: {}, payload_ref }))
  await first()
  expect(server.received[0]?.task).toEqual({
    task_id: 't-1',
    task_type: 'test',
    payload: { from: 'the store' },
    metadata: {},
  })
})

test('headers go to the addresses that they are for, and to no other', async () => {
  const server = await pool({ mode: 'sync' })
  const other = await pool({ mode: 'sync' })
  const { adapter, told } = adapting({ [server.endpoint]: { Authorization: 'Bearer secret' } })
  adapter.add(runIn(server.endpoint))
  adapter.add(runIn(other.endpoint, { task_id: 't-2' }))
  await until(() => told.length === 2)
  expect(server.received[0]?.headers.authorization).toBe('Bearer secret')
  expect(other.received[0]?.headers.authorization).toBeUndefined()
  expect(JSON.stringify(told)).not.toContain('secret')
})

test('a run that never reached a pool which knows an earlier one of its task is lost, and not waited for', async () => {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ task_id: 't-1', status: 'failed', error: 'the first time', attempt: 1 }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  stack.defer(() => void server.close().closeAllConnections())
  const { adapter, first } = adapting()
  adapter.adopt(runIn(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {}, 2))
  expect(await first()).toEqual({ kind: 'lost', attempt: 2 })
})
