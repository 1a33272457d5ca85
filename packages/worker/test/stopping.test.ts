import { startTestServer, until } from '@poolmesh/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { definePool, type PoolOptions, type StartOptions } from '../src/index.ts'
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
async function pool(
  options: Partial<PoolOptions> & Pick<PoolOptions, 'handler'>,
  start: Partial<StartOptions> = {},
) {
  const name = `pool-${next++}`
  const executor = new PlayedExecutor(nc, name)
  const running = await definePool({ name, ...options }).start({
    nc: await server.connect(name),
    drainTimeout: 0.1,
    ...start,
  })
  return Object.assign(running, { executor })
}

/** Ends when its signal says so, with the signal's reason; `reasons` has them by task. */
function obedient(): {
  handler: PoolOptions['handler']
  reasons: Map<string, DOMException>
  begun: string[]
} {
  const reasons = new Map<string, DOMException>()
  const begun: string[] = []
  const handler: PoolOptions['handler'] = ({ task_id }, { signal }) => {
    begun.push(task_id)
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => {
        reasons.set(task_id, signal.reason)
        reject(signal.reason)
      })
    })
  }
  return { handler, reasons, begun }
}

test('a cancelled run is told by its signal and answers cancelled', async () => {
  const { handler, reasons, begun } = obedient()
  await using p = await pool({ handler })
  p.executor.many([task('a'), task('b')])
  await until(() => begun.length === 2)
  p.executor.cancel('a', 'not needed')
  expect(await p.executor.answer('a')).toMatchObject({
    status: 'cancelled',
    output: null,
    error: 'the task was cancelled: not needed',
    metadata: { reason: 'CANCELLED' },
  })
  expect(reasons.get('a')?.name).toBe('AbortError')
  expect(p.stats).toMatchObject({ running: 1, cancelled: 1 })
  expect(reasons.has('b')).toBe(false)
})

test('every attempt of a cancelled task ends, also one that waits', async () => {
  const { handler, begun } = obedient()
  await using p = await pool({ handler, maxWorkers: 1 })
  p.executor.many([task('a')], 1)
  p.executor.many([task('a')], 2)
  await until(() => p.stats.queued === 1)
  p.executor.cancel('a')
  const answers = await p.executor.settled(2)
  expect(answers.map(({ status, attempt }) => `${status} ${attempt}`).sort()).toEqual([
    'cancelled 1',
    'cancelled 2',
  ])
  expect(begun).toEqual(['a'])
})

test('a handler that looks at its signal only after the cancel finds it aborted', async () => {
  const door = gate()
  let aborted: boolean | undefined
  await using p = await pool({
    handler: async (_, context) => {
      await door.opened
      aborted = context.signal.aborted
      return { partial: true }
    },
  })
  p.executor.one(task('a'))
  await until(() => p.stats.running === 1)
  p.executor.cancel('a')
  await nc.request(`pool.health.${p.name}`)
  // Its worker is taken until it ends, and so long there is no answer.
  expect(p.stats.running).toBe(1)
  expect(p.executor.answers).toEqual([])
  door.open()
  expect((await p.executor.answer('a')).status).toBe('cancelled')
  expect(aborted).toBe(true)
})

test('a run that takes longer than its timeout is told with a TimeoutError and answers timeout', async () => {
  const { handler, reasons } = obedient()
  await using p = await pool({ handler })
  p.executor.many([task('slow', { timeout: 1 }), task('patient')])
  const answer = await p.executor.answer('slow')
  expect(answer).toMatchObject({
    status: 'timeout',
    error: 'the run took longer than 1 s',
    metadata: { reason: 'RUN_TIMEOUT' },
  })
  expect(answer.duration).toBeGreaterThanOrEqual(0.99)
  expect(reasons.get('slow')?.name).toBe('TimeoutError')
  expect(p.stats).toMatchObject({ running: 1, timeout: 1 })
})

test('time spent waiting for a worker counts', async () => {
  const { handler, begun } = obedient()
  await using p = await pool({ handler, maxWorkers: 1 })
  p.executor.many([task('first'), task('second', { timeout: 1 })])
  expect(await p.executor.answer('second')).toMatchObject({ status: 'timeout', duration: 0 })
  expect(begun).toEqual(['first'])
})

test('a handler that does not stop is answered for, keeps its worker, and does not run twice', async () => {
  const door = gate()
  let runs = 0
  await using p = await pool({
    maxWorkers: 1,
    queueLimit: 1,
    handler: async () => {
      runs++
      await door.opened
    },
  })
  p.executor.one(task('a', { timeout: 1 }))
  expect((await p.executor.answer('a')).status).toBe('timeout')
  expect(p.stats.running).toBe(1)
  p.executor.one(task('a', { timeout: 1 }))
  expect((await p.executor.settled(2))[1]).toMatchObject({ metadata: { reason: 'POOL_REFUSED' } })
  door.open()
  await until(() => p.stats.running === 0)
  expect(p.executor.answers).toHaveLength(2)
  expect(runs).toBe(1)
})

test('draining: what runs ends, what waits and what comes is refused, then the pool is gone', async () => {
  const door = gate()
  const p = await pool({ maxWorkers: 1, handler: () => door.opened }, { drainTimeout: 60 })
  p.executor.many([task('runs'), task('waits')])
  await until(() => p.stats.queued === 1)
  const stopped = p.stop({ drain: true })
  expect(await p.executor.answer('waits')).toMatchObject({
    status: 'failed',
    error: expect.stringContaining('shutting down'),
    metadata: { reason: 'POOL_REFUSED' },
  })
  p.executor.many([task('late')])
  expect((await p.executor.answer('late')).metadata).toEqual({ reason: 'POOL_REFUSED' })
  await until(() => registry.asked.includes(`deregister ${p.name} drain`))
  expect(p.executor.answers).toHaveLength(2)
  door.open()
  await stopped
  expect((await p.executor.answer('runs')).status).toBe('completed')
  expect(registry.asked.filter((asked) => asked.endsWith(p.name))).toContain(`deregister ${p.name}`)
  expect(registry.pools.has(p.name)).toBe(false)
  expect(await p.closed).toBeUndefined()
  // The connection is the caller's, and nobody listens any more.
  await expect(nc.request(`pool.work.${p.name}`, '{}')).rejects.toThrow()
})

test('what does not end in time is told to stop, and runs elsewhere', async () => {
  const { handler, reasons, begun } = obedient()
  const p = await pool({ handler })
  p.executor.many([task('a')])
  await until(() => begun.length === 1)
  await p.stop({ drain: true, drainTimeout: 0.05 })
  expect(reasons.get('a')?.name).toBe('AbortError')
  expect(await p.executor.answer('a')).toMatchObject({
    status: 'failed',
    metadata: { reason: 'POOL_REFUSED' },
  })
})

test('stopping at once answers even for handlers that do not stop', async () => {
  const p = await pool({ handler: () => new Promise(() => {}) }, { drainTimeout: 60 })
  p.executor.many([task('a'), task('b')])
  await until(() => p.stats.running === 2)
  await p.stop({ drain: false })
  expect((await p.executor.settledWithoutPool(2)).map(({ metadata }) => metadata)).toEqual([
    { reason: 'POOL_REFUSED' },
    { reason: 'POOL_REFUSED' },
  ])
})

test('a stop that does not drain cuts a drain short', async () => {
  const { handler, begun } = obedient()
  const p = await pool({ handler }, { drainTimeout: 3_600 })
  p.executor.many([task('a')])
  await until(() => begun.length === 1)
  const drained = p.stop()
  const again = p.stop({ drain: false })
  await Promise.all([drained, again, p.closed])
  expect((await p.executor.answer('a')).metadata).toEqual({ reason: 'POOL_REFUSED' })
})

test('a connection that is closed ends the pool, with what runs', async () => {
  const { handler, reasons, begun } = obedient()
  const connection = await server.connect()
  const p = await pool({ handler }, { nc: connection })
  p.executor.many([task('a')])
  await until(() => begun.length === 1)
  await connection.close()
  expect((await p.closed)?.message).toContain('closed')
  expect(reasons.has('a')).toBe(true)
})

test('a pool that is stopped can be started again', async () => {
  const definition = definePool({ name: 'again', handler: () => ({}) })
  for (let i = 0; i < 2; i++) {
    await using _running = await definition.start({ nc: await server.connect() })
    const reply = await nc.request('pool.work.again', JSON.stringify(task('a')))
    expect(reply.json()).toMatchObject({ status: 'completed' })
  }
  expect(registry.asked.filter((asked) => asked === 'register again')).toHaveLength(2)
})
