import { startTestServer, until } from '@poolmesh/testkit'
import type { DistributedTask } from '@poolmesh/types'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { definePool, type PoolOptions, progressSubject, type RunningPool } from '../src/index.ts'
import { gate, PlayedExecutor, playRegistry, task } from './peers.ts'

let server: Awaited<ReturnType<typeof startTestServer>>
let nc: Awaited<ReturnType<typeof server.connect>>
let registry: ReturnType<typeof playRegistry>
beforeAll(async () => {
  server = await startTestServer()
  nc = await server.connect()
  registry = playRegistry(nc)
})
afterAll(() => server[Symbol.asyncDispose]())

let next = 0
/** A pool with a name of its own, and the executor that sends to it. */
async function pool(options: Partial<PoolOptions> & Pick<PoolOptions, 'handler'>) {
  const name = `pool-${next++}`
  const executor = new PlayedExecutor(nc, name)
  const running = await definePool({ name, capabilities: ['x'], ...options }).start({
    nc: await server.connect(name),
    drainTimeout: 0.1,
  })
  return Object.assign(running as RunningPool, { executor })
}

test('a pool is registered with what it is, and says that it takes arrays', async () => {
  await using p = await pool({
    handler: () => ({}),
    maxWorkers: 7,
    region: 'eu',
    metadata: { cost: 1, poolmesh: { zone: 'a' } },
  })
  expect(registry.pools.get(p.name)).toMatchObject({
    name: p.name,
    pool_type: 'nats',
    capabilities: ['x'],
    max_workers: 7,
    region: 'eu',
    metadata: { cost: 1, poolmesh: { batch: true, zone: 'a' } },
  })
})

test('a single task is answered with a single result', async () => {
  await using p = await pool({
    handler: ({ payload }, { attempt }) => ({ twice: 2 * Number(payload['n']), attempt }),
  })
  p.executor.one(task('a', { payload: { n: 21 } }), 3)
  expect(await p.executor.answer('a')).toEqual({
    task_id: 'a',
    pool_name: p.name,
    status: 'completed',
    output: { twice: 42, attempt: 3 },
    error: null,
    duration: expect.any(Number),
    metadata: {},
    attempt: 3,
  })
  expect(Array.isArray(p.executor.messages[0])).toBe(false)
  // As any client would ask.
  const reply = await nc.request(`pool.work.${p.name}`, JSON.stringify(task('b', { payload: { n: 1 } })))
  expect(reply.json()).toMatchObject({ task_id: 'b', status: 'completed', output: { twice: 2 } })
})

test('an array is answered with arrays: what is ready in one tick goes together, 200 at most', async () => {
  await using p = await pool({ handler: async () => ({ ok: true }), maxWorkers: 500 })
  p.executor.many(
    Array.from({ length: 450 }, (_, i) => task(`t${i}`)),
    2,
  )
  const answers = await p.executor.settled(450)
  expect(p.executor.messages.map((message) => (message as unknown[]).length)).toEqual([200, 200, 50])
  expect(new Set(answers.map((answer) => answer.task_id)).size).toBe(450)
  expect(answers.every((answer) => answer.attempt === 2 && answer.status === 'completed')).toBe(true)
})

test('arrays of answers stay under 256 KiB, however wide their characters', async () => {
  await using p = await pool({ handler: () => ({ text: '€'.repeat(20_000) }), maxWorkers: 50 })
  p.executor.many(Array.from({ length: 20 }, (_, i) => task(`t${i}`)))
  await p.executor.settled(20)
  expect(Math.max(...p.executor.sizes)).toBeLessThanOrEqual(256 * 1024)
  expect(p.executor.messages).toHaveLength(5)
})

test('no more run than maxWorkers, as many wait, and the rest is refused', async () => {
  const doors = new Map<string, ReturnType<typeof gate>>()
  let most = 0
  let running = 0
  await using p = await pool({
    maxWorkers: 2,
    queueLimit: 3,
    handler: async ({ task_id }) => {
      most = Math.max(most, ++running)
      const door = gate()
      doors.set(task_id, door)
      await door.opened
      running--
    },
  })
  p.executor.many(['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((id) => task(id)))
  const refused = await p.executor.settled(2)
  expect(refused).toEqual([
    expect.objectContaining({ task_id: 'f', status: 'failed', metadata: { reason: 'POOL_REFUSED' } }),
    expect.objectContaining({ task_id: 'g', error: expect.stringContaining('2 tasks run and 3 wait') }),
  ])
  expect(p.stats).toMatchObject({ running: 2, queued: 3, refused: 2 })
  const health = await nc.request(`pool.health.${p.name}`)
  expect(health.json()).toEqual({ status: 'healthy', current_workers: 2, queue_size: 3 })
  for (const id of ['a', 'b', 'c', 'd', 'e']) (await until(() => doors.get(id))).open()
  await p.executor.settled(7)
  expect([...doors.keys()]).toEqual(['a', 'b', 'c', 'd', 'e'])
  expect(most).toBe(2)
  expect(p.stats).toMatchObject({ running: 0, queued: 0, completed: 5, refused: 2 })
})

test('handlers that do not wait can be thousands in the queue', async () => {
  const door = gate()
  let first = true
  await using p = await pool({
    maxWorkers: 1,
    queueLimit: 20_000,
    handler: () => {
      if (!first) return {}
      first = false
      return door.opened
    },
  })
  for (let from = 0; from < 20_000; from += 1_000)
    p.executor.many(Array.from({ length: 1_000 }, (_, i) => task(`t${from + i}`)))
  await until(() => p.stats.queued === 19_999)
  door.open()
  await p.executor.settled(20_000)
  expect(p.stats.completed).toBe(20_000)
})

test('the same run asked for again runs once, and everyone who asked is answered once', async () => {
  const door = gate()
  let runs = 0
  await using p = await pool({
    handler: async () => {
      runs++
      await door.opened
    },
  })
  const other = new PlayedExecutor(nc, p.name)
  p.executor.many([task('a'), task('a')])
  p.executor.one(task('a'))
  other.many([task('a')])
  // A further attempt is another run.
  p.executor.many([task('a')], 2)
  await until(() => runs === 2)
  await nc.request(`pool.health.${p.name}`)
  door.open()
  const answers = await p.executor.settled(2)
  expect(answers.map((answer) => answer.attempt).sort()).toEqual([1, 2])
  expect((await other.settled(1)).map((answer) => answer.attempt)).toEqual([1])
  expect(runs).toBe(2)
  // Ended, it may run again: who asks has lost the answer.
  p.executor.many([task('a')])
  await p.executor.settled(3)
  expect(runs).toBe(3)
})

const circular: Record<string, unknown> = {}
circular['self'] = circular
test.each<[string, () => unknown, unknown]>([
  ['an object', () => ({ a: [1] }), { a: [1] }],
  ['nothing', () => undefined, {}],
  ['null', () => null, { value: null }],
  ['a number', () => 42, { value: 42 }],
  ['a text', () => 'x"y', { value: 'x"y' }],
  ['a list', () => [1, 2], { value: [1, 2] }],
  ['a date', () => new Date(0), { value: '1970-01-01T00:00:00.000Z' }],
  ['a promise of a list', () => Promise.resolve([1]), { value: [1] }],
  // biome-ignore lint/suspicious/noThenProperty: some libraries have promises of their own.
  ['a thenable', () => ({ then: (done: (value: unknown) => void) => done({ a: 1 }) }), { a: 1 }],
  ['toJSON', () => ({ toJSON: () => ({ b: 2 }) }), { b: 2 }],
  ['__proto__', () => JSON.parse('{"__proto__":{"a":1}}'), JSON.parse('{"__proto__":{"a":1}}')],
])('an output that is %s', async (_, handler, output) => {
  await using p = await pool({ handler })
  p.executor.one(task('a'))
  expect(await p.executor.answer('a')).toMatchObject({ status: 'completed', error: null })
  expect(JSON.stringify((await p.executor.answer('a')).output)).toBe(JSON.stringify(output))
})

test.each<[string, () => unknown, string, RegExp]>([
  ['circular', () => circular, 'HANDLER_ERROR', /no JSON form.*circular/is],
  ['a bigint', () => ({ n: 1n }), 'HANDLER_ERROR', /no JSON form.*BigInt/],
  ['a function', () => () => 1, 'HANDLER_ERROR', /no JSON form.*function/],
  ['an error', () => Promise.reject(new Error('no luck')), 'HANDLER_ERROR', /^no luck$/],
  [
    'an error with a code',
    () => {
      throw Object.assign(new Error('no file'), { code: 'ENOENT' })
    },
    'ENOENT',
    /^no file$/,
  ],
  [
    'an error with a number as its code',
    () => {
      throw Object.assign(new Error('x'), { code: 7 })
    },
    'HANDLER_ERROR',
    /^x$/,
  ],
  [
    'an error without words',
    () => {
      throw new RangeError()
    },
    'HANDLER_ERROR',
    /^RangeError$/,
  ],
  [
    'a text',
    () => {
      throw 'just words'
    },
    'HANDLER_ERROR',
    /^just words$/,
  ],
  [
    'nothing',
    () => {
      throw undefined
    },
    'HANDLER_ERROR',
    /did not say why/,
  ],
  [
    'something hostile',
    () => {
      throw {
        get message() {
          throw new Error()
        },
        get code() {
          throw new Error()
        },
      }
    },
    'HANDLER_ERROR',
    /did not say why/,
  ],
  [
    'a very long message',
    () => {
      throw new Error('x'.repeat(2_000_000))
    },
    'HANDLER_ERROR',
    /^x{4096}$/,
  ],
  [
    'an error that claims to be a refusal',
    () => {
      throw Object.assign(new Error('x'), { code: 'POOL_REFUSED' })
    },
    'POOL_REFUSED',
    /^x$/,
  ],
])('a handler that ends with %s fails the task', async (_, handler, code, error) => {
  await using p = await pool({ handler })
  p.executor.many([task('a')])
  const answer = await p.executor.answer('a')
  expect(answer).toMatchObject({ status: 'failed', output: null, error: expect.stringMatching(error) })
  // Nothing else: no stack, and no reason, which executors act upon.
  expect(answer.metadata).toEqual({ code })
})

test('work that makes no sense is answered where that is possible, and the pool goes on', async () => {
  await using p = await pool({ handler: () => ({}) })
  const bad = { status: 'failed', metadata: { code: 'INVALID_INPUT' } }
  const asked = async (data: string): Promise<unknown> =>
    (await nc.request(`pool.work.${p.name}`, data)).json()
  expect(await asked('nonsense')).toMatchObject({ ...bad, error: expect.stringContaining('not JSON') })
  for (const data of ['', 'null', '7', '"x"', '{}', '{"task_id":"a.b","task_type":"x","payload":{}}']) {
    const answer = await asked(data)
    expect(answer).toMatchObject(bad)
    expect(answer).not.toHaveProperty('task_id')
  }
  for (const wrong of [{ payload: [] }, { payload: null }, { payload: 'x' }, { task_type: 3 }])
    expect(await asked(JSON.stringify({ ...task('a'), ...wrong }))).toMatchObject({ task_id: 'a', ...bad })
  // In an array one is answered by its id only.
  const items = [
    null,
    3,
    {},
    { task: null },
    { task: task('b', { payload: 1 }), attempt: 4 },
    { task: task('c') },
  ]
  p.executor.raw(JSON.stringify(items))
  p.executor.raw('[]')
  const answers = await p.executor.settled(2)
  expect(answers).toHaveLength(2)
  expect(answers.find(({ task_id }) => task_id === 'b')).toMatchObject({ ...bad, attempt: 4 })
  expect(answers.find(({ task_id }) => task_id === 'c')).toMatchObject({ status: 'completed' })
  // Nobody would hear of it.
  nc.publish(`pool.work.${p.name}`, JSON.stringify(task('d')))
  nc.publish(`pool.cancel.${p.name}`, 'nonsense')
  nc.publish(`pool.cancel.${p.name}`, '{"task_id":7}')
  nc.publish(`pool.cancel.${p.name}`, '{"task_id":"unknown"}')
  expect((await nc.request(`pool.health.${p.name}`)).json()).toMatchObject({ status: 'healthy' })
  expect(p.stats.completed).toBe(1)
})

test('what a task leaves out has its default when the handler sees it, and what is unknown is kept', async () => {
  let seen: DistributedTask | undefined
  await using p = await pool({
    handler: (given) => {
      seen = given
    },
  })
  await nc.request(
    `pool.work.${p.name}`,
    '{"task_id":"a","task_type":"x","payload":{"p":1},"timeout":"soon","new":true}',
  )
  expect(seen).toEqual(task('a', { task_type: 'x', payload: { p: 1 }, new: true }))
})

test('a handler knows its deadline and may take its context apart', async () => {
  let left = 0
  await using p = await pool({
    handler: ({ timeout }, { deadline, signal, log, progress }) => {
      left = deadline.getTime() - Date.now()
      progress(0)
      log.info('here')
      return { timeout, aborted: signal.aborted }
    },
  })
  p.executor.one(task('a', { timeout: 60 }))
  expect((await p.executor.answer('a')).output).toEqual({ timeout: 60, aborted: false })
  expect(left).toBeGreaterThan(30_000)
  expect(left).toBeLessThanOrEqual(60_000)
})

test('progress is told: the first word at once, then the latest', async () => {
  const told: unknown[] = []
  const door = gate()
  nc.subscribe(progressSubject(`pool-${next}`), { callback: (_, message) => void told.push(message.json()) })
  await nc.flush()
  await using p = await pool({
    handler: async (_, { progress }) => {
      for (let i = 0; i <= 1_000; i++) progress(i / 500, `step ${i}`)
      progress(Number.NaN)
      progress('half' as unknown as number)
      await door.opened
    },
  })
  p.executor.one(task('a'), 2)
  await until(() => told.length === 2)
  door.open()
  await p.executor.answer('a')
  expect(told).toEqual([
    { task_id: 'a', attempt: 2, fraction: 0, message: 'step 0' },
    { task_id: 'a', attempt: 2, fraction: 1, message: 'step 1000' },
  ])
})

test('heartbeats come at once and then regularly, with the load', async () => {
  const beats: { current_workers: number; queue_size: number }[] = []
  nc.subscribe(`pool.heartbeat.pool-${next}`, { callback: (_, message) => void beats.push(message.json()) })
  await nc.flush()
  const door = gate()
  await using p = await pool({ handler: () => door.opened, heartbeatInterval: 0.05 })
  await until(() => beats.length > 0)
  expect(beats[0]).toEqual({ current_workers: 0, queue_size: 0 })
  p.executor.one(task('a'))
  await until(() => beats.some((beat) => beat.current_workers === 1))
  door.open()
  await p.executor.answer('a')
  const before = beats.length
  await until(() => beats.slice(before).some((beat) => beat.current_workers === 0))
})

test.each<[string, object, string]>([
  ['a name that is no subject token', { name: 'a.b' }, 'name'],
  ['no workers', { maxWorkers: 0 }, 'max_workers'],
  ['too many capabilities', { capabilities: Array.from({ length: 65 }, String) }, 'capabilities'],
  ['no handler', { handler: undefined }, 'handler'],
  ['a queue below nothing', { queueLimit: -1 }, 'queueLimit'],
  ['a heart that does not beat', { heartbeatInterval: 0 }, 'heartbeatInterval'],
  ['another type without an endpoint', { poolType: 'mahavishnu' }, 'endpoint'],
])('a definition with %s is refused by name', (_, wrong, path) => {
  const options = { name: 'p', handler: () => ({}), ...wrong } as PoolOptions
  expect(() => definePool(options)).toThrow(
    expect.objectContaining({ code: 'INVALID_INPUT', issues: [expect.objectContaining({ path })] }),
  )
})
