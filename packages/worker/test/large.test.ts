import { ClaimCheck } from '@poolmesh/bus'
import { startTestServer } from '@poolmesh/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { definePool, type PoolOptions } from '../src/index.ts'
import { PlayedExecutor, playRegistry, task } from './peers.ts'

let server: Awaited<ReturnType<typeof startTestServer>>
let nc: Awaited<ReturnType<typeof server.connect>>
let claims: ClaimCheck
beforeAll(async () => {
  server = await startTestServer()
  nc = await server.connect()
  playRegistry(nc)
  claims = new ClaimCheck(nc)
})
afterAll(() => server[Symbol.asyncDispose]())

let next = 0
async function pool(handler: PoolOptions['handler'], options: Partial<PoolOptions> = {}) {
  const name = `pool-${next++}`
  const executor = new PlayedExecutor(nc, name)
  const running = await definePool({ name, handler, ...options }).start({
    nc: await server.connect(name),
    drainTimeout: 0.1,
  })
  return Object.assign(running, { executor })
}

test('a payload in the object store is in its place when the handler sees the task', async () => {
  const text = 'ä'.repeat(1_500_000)
  const ref = await claims.put({ text })
  await using p = await pool(({ payload, ...rest }) => ({
    same: payload['text'] === text,
    ref: 'payload_ref' in rest,
  }))
  p.executor.one(task('a', { payload_ref: ref }))
  expect(await p.executor.answer('a')).toMatchObject({
    status: 'completed',
    output: { same: true, ref: false },
  })
})

test('a payload that is not there, no object or no reference fails the task', async () => {
  const ref = await claims.put({})
  const list = await claims.put([1])
  await using p = await pool(() => ({}))
  p.executor.many([
    task('missing', { payload_ref: { ...ref, name: 'nothing' } }),
    task('list', { payload_ref: list }),
    task('nonsense', { payload_ref: 'x' }),
  ])
  await p.executor.settled(3)
  expect((await p.executor.answer('missing')).metadata).toEqual({ code: 'NOT_FOUND' })
  expect((await p.executor.answer('list')).metadata).toEqual({ code: 'INVALID_INPUT' })
  expect((await p.executor.answer('nonsense')).metadata).toEqual({ code: 'INVALID_INPUT' })
  expect(p.stats).toMatchObject({ running: 0, failed: 3 })
})

test('a large output goes through the object store, a small one does not', async () => {
  await using p = await pool(({ payload }) => ({ text: 'x'.repeat(Number(payload['n'])) }))
  p.executor.many([
    task('small', { payload: { n: 500_000 } }),
    task('large', { payload: { n: 600_000 } }),
    task('huge', { payload: { n: 20_000_000 } }),
  ])
  expect(await p.executor.answer('small')).toMatchObject({ status: 'completed', output: {} })
  for (const [id, n] of [
    ['large', 600_000],
    ['huge', 20_000_000],
  ] as const) {
    const answer = await p.executor.answer(id)
    expect(answer).toMatchObject({ status: 'completed', output: null, error: null })
    expect(answer.output_ref?.size).toBe(n + '{"text":""}'.length)
    expect(await claims.get(answer.output_ref as never)).toEqual({ text: 'x'.repeat(n) })
  }
})

test('an output over 64 MiB fails with both sizes, and the pool goes on', async () => {
  await using p = await pool(({ payload }) => ({ text: 'x'.repeat(Number(payload['n'])) }))
  p.executor.one(task('a', { payload: { n: 64 * 1024 * 1024 } }))
  const answer = await p.executor.answer('a')
  expect(answer).toMatchObject({ status: 'failed', metadata: { code: 'PAYLOAD_TOO_LARGE' } })
  expect(answer.error).toMatch(/^the output has 67108875 bytes .*67108864 \(64\.0 MiB\) are allowed/)
  p.executor.one(task('b', { payload: { n: 1 } }))
  expect((await p.executor.answer('b')).status).toBe('completed')
})

test('an output beyond the longest string is too large as well', async () => {
  await using p = await pool(() => {
    const piece = 'x'.repeat(2 ** 28)
    return { all: [piece, piece, piece] }
  })
  p.executor.one(task('a'))
  expect(await p.executor.answer('a')).toMatchObject({
    status: 'failed',
    metadata: { code: 'PAYLOAD_TOO_LARGE' },
  })
})

test('many large answers come in messages that the server takes', async () => {
  await using p = await pool(() => ({ text: 'x'.repeat(400_000) }), { maxWorkers: 20 })
  p.executor.many(Array.from({ length: 20 }, (_, i) => task(`t${i}`)))
  const answers = await p.executor.settled(20)
  expect(answers.every((answer) => answer.output !== null)).toBe(true)
})

test('where messages have to be small, outputs go through the store sooner', async () => {
  await using small = await startTestServer({ extraConfig: 'max_payload: 65536' })
  const other = await small.connect()
  playRegistry(other)
  const executor = new PlayedExecutor(other, 'p')
  await using _pool = await definePool({
    name: 'p',
    maxWorkers: 10,
    handler: ({ payload }) => ({ text: 'x'.repeat(Number(payload['n'])) }),
  }).start({ nc: await small.connect(), drainTimeout: 0.1 })
  executor.many(Array.from({ length: 8 }, (_, i) => task(`t${i}`, { payload: { n: 20_000 } })))
  executor.one(task('large', { payload: { n: 60_000 } }))
  await executor.settled(9)
  const { output_ref } = await executor.answer('large')
  expect(await new ClaimCheck(other).get(output_ref as never)).toEqual({ text: 'x'.repeat(60_000) })
})

test('without JetStream a large output is given back: the task runs elsewhere', async () => {
  await using plain =
    (await startTestServer({ extraConfig: 'jetstream: false' }).catch(() => null)) ??
    (await startTestServer())
  const other = await plain.connect()
  playRegistry(other)
  const executor = new PlayedExecutor(other, 'p')
  await using _pool = await definePool({ name: 'p', handler: () => ({ text: 'x'.repeat(2 ** 20) }) }).start({
    nc: await plain.connect(),
    drainTimeout: 0.1,
  })
  executor.one(task('a'))
  expect((await executor.answer('a')).metadata).toEqual({ reason: 'POOL_REFUSED' })
})
