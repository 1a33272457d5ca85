import { Kvm } from '@nats-io/kv'
import { headers, type Msg, type NatsConnection, nuid } from '@nats-io/transport-node'
import { loadSettings, silentLogger } from '@poolmesh/bus'
import { startTestServer, until } from '@poolmesh/testkit'
import { BUCKETS, type DistributedTaskResult, poolDescriptorSchema } from '@poolmesh/types'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startExecutor } from '../src/index.ts'

let server: Awaited<ReturnType<typeof startTestServer>>
let executor: AsyncDisposable
let nc: NatsConnection
const results = new Map<string, DistributedTaskResult>()
let told = 0

beforeAll(async () => {
  server = await startTestServer()
  await server.topology()
  nc = await server.connect()
  nc.subscribe('task.completed', {
    callback: (_, message) => {
      const body = message.json<DistributedTaskResult | DistributedTaskResult[]>()
      for (const result of Array.isArray(body) ? body : [body]) {
        results.set(result.task_id, result)
        told++
      }
    },
  })
  executor = await startExecutor({
    nc: await server.connect('executor'),
    settings: loadSettings({ POOLMESH_WINDOW_TASKS: '1000' }, 'none'),
    log: silentLogger(),
  })
})
afterAll(async () => {
  await executor[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

async function register(name: string, fields: Record<string, unknown> = {}): Promise<void> {
  const bucket = await new Kvm(nc).open(BUCKETS.pools)
  const pool = poolDescriptorSchema.parse({ name, pool_type: 'nats', ...fields })
  await bucket.put(name, JSON.stringify({ ...pool, registered_at: new Date().toISOString() }))
}

type Handler = (task: Record<string, unknown>, message: Msg) => unknown
async function plainPool(
  name: string,
  fields: Record<string, unknown>,
  handler: Handler,
): Promise<() => void> {
  const subscription = nc.subscribe(`pool.work.${name}`, {
    queue: name,
    callback: (_, message) => {
      const task = message.json<Record<string, unknown>>()
      void Promise.resolve(handler(task, message)).then((output) => {
        if (output !== undefined)
          message.respond(
            JSON.stringify({
              task_id: task['task_id'],
              pool_name: name,
              status: 'completed',
              output,
              error: null,
              duration: 0,
              metadata: {},
            }),
          )
      })
    },
  })
  await register(name, fields)
  return () => subscription.unsubscribe()
}

const request = async (subject: string, body: unknown): Promise<Record<string, unknown>> =>
  (await nc.request(subject, JSON.stringify(body), { timeout: 10_000 })).json()
const resultOf = (id: string): Promise<DistributedTaskResult> =>
  until(() => results.get(id), `the result of ${id}`)
const submit = async (task: Record<string, unknown>): Promise<string> => {
  const id = (task['task_id'] as string | undefined) ?? nuid.next()
  const ack = await request('task.submitted', { task_id: id, task_type: 'x', payload: {}, ...task })
  expect(ack['stream']).toBe('TASKS')
  return id
}

test('a plain task goes to the pool that fits and its one result is told, stored and readable', async () => {
  await plainPool('one', { capabilities: ['a'] }, (task) => ({ got: task['payload'] }))
  const id = await submit({ payload: { n: 1 }, required_capabilities: ['a'] })
  const result = await resultOf(id)
  expect(result).toMatchObject({
    status: 'completed',
    pool_name: 'one',
    output: { got: { n: 1 } },
    metadata: { attempts: 1 },
  })
  expect(await request('task.result', { task_id: id })).toMatchObject({ status: 'completed' })
  expect(await request('task.status', { task_id: id })).toMatchObject({
    task_id: id,
    status: 'completed',
    pool_name: 'one',
    attempt: 1,
  })
  expect(await request('task.status', { task_id: 'nobody' })).toMatchObject({ error: { code: 'NOT_FOUND' } })
})

test('a batch ends with each of its tasks, and what is no task in it fails by itself', async () => {
  await plainPool('batch', { capabilities: ['batch'], max_workers: 50 }, () => ({ ok: true }))
  const id = nuid.next()
  const notes: DistributedTaskResult[] = []
  nc.subscribe(`notes.${id}`, {
    callback: (_, m) =>
      void notes.push(...[m.json<DistributedTaskResult | DistributedTaskResult[]>()].flat()),
  })
  const h = headers()
  h.set('Poolmesh-Notify', `notes.${id}`)
  const tasks: unknown[] = Array.from({ length: 120 }, () => ({
    task_type: 'x',
    payload: {},
    required_capabilities: ['batch'],
  }))
  tasks.push({ task_type: '', payload: {} })
  nc.publish(`task.submitted.normal.${id}`, JSON.stringify(tasks), { headers: h })
  await until(() => notes.length === 121)
  expect(new Set(notes.map((result) => result.task_id)).size).toBe(121)
  expect(notes.filter((result) => result.status === 'completed')).toHaveLength(120)
  expect(notes.find((result) => result.status === 'failed')).toMatchObject({
    task_id: `${id}-120`,
    metadata: { reason: 'INVALID_INPUT' },
  })
  expect(await request('task.result', { task_id: `${id}-7` })).toMatchObject({
    task_id: `${id}-7`,
    status: 'completed',
  })
})

test('a task that nobody can take waits visibly and ends with its queue_timeout', async () => {
  const id = await submit({ required_capabilities: ['nobody-has-this'], queue_timeout: 1 })
  const why = await request('task.explain', { task_id: id })
  expect(why['waiting_for']).toContain('nobody-has-this')
  expect(await resultOf(id)).toMatchObject({
    status: 'timeout',
    pool_name: null,
    metadata: { reason: 'QUEUE_TIMEOUT' },
  })
})

test('a run over its timeout ends timeout, the pool is told, and a late answer changes nothing', async () => {
  let late: Msg | undefined
  const cancelled: unknown[] = []
  nc.subscribe('pool.cancel.slow', { callback: (_, m) => void cancelled.push(m.json()) })
  await plainPool('slow', { capabilities: ['slow'] }, (_, message) => {
    late = message
    return undefined
  })
  const id = await submit({ required_capabilities: ['slow'], timeout: 1 })
  expect(await resultOf(id)).toMatchObject({
    status: 'timeout',
    pool_name: 'slow',
    metadata: { reason: 'RUN_TIMEOUT' },
  })
  await until(() => cancelled.length === 1)
  late?.respond(JSON.stringify({ task_id: id, status: 'completed', output: {} }))
  await until(async () => ((await request('executor.stats', {}))['late_answers'] as number) >= 1)
  expect(await request('task.result', { task_id: id })).toMatchObject({ status: 'timeout' })
})

test('cancel ends what waits and what runs, and says what has ended already', async () => {
  const stop = await plainPool('busy', { capabilities: ['busy'], max_workers: 1 }, () => undefined)
  const running = await submit({ required_capabilities: ['busy'] })
  await until(async () => (await request('task.status', { task_id: running }))['status'] === 'running')
  const pending = await submit({ required_capabilities: ['busy'] })
  expect(await request('task.cancel', { task_id: pending, reason: 'changed my mind' })).toEqual({
    task_id: pending,
    cancelled: true,
    status: 'cancelled',
  })
  expect(await request('task.cancel', { task_id: running })).toEqual({
    task_id: running,
    cancelled: true,
    status: 'cancelled',
  })
  expect(await request('task.cancel', { task_id: running })).toEqual({
    task_id: running,
    cancelled: false,
    status: 'cancelled',
  })
  expect(await request('task.cancel', { task_id: 'nobody' })).toMatchObject({ error: { code: 'NOT_FOUND' } })
  expect((await resultOf(pending)).error).toContain('changed my mind')
  stop()
})

test('a failure is tried again elsewhere, nonsense counts as one, and what happened is told', async () => {
  let calls = 0
  const bad = (): undefined => undefined
  nc.subscribe('pool.work.bad', {
    callback: (_, m) => {
      calls++
      bad()
      m.respond('nonsense')
    },
  })
  await register('bad', { capabilities: ['retry'], max_workers: 10 })
  const first = await submit({ required_capabilities: ['retry'] })
  expect(await resultOf(first)).toMatchObject({ status: 'failed', metadata: { reason: 'INVALID_RESULT' } })
  await plainPool('good', { capabilities: ['retry'], current_workers: 9 }, () => ({ fine: 1 }))
  const second = await submit({ required_capabilities: ['retry'], max_attempts: 2 })
  const result = await resultOf(second)
  expect(result).toMatchObject({ status: 'completed', pool_name: 'good', metadata: { attempts: 2 } })
  expect(result.metadata['history']).toMatchObject([{ pool: 'bad', reason: 'INVALID_RESULT' }])
  expect(calls).toBe(2)
})

test('a pool without a subscriber is left alone for another, which is no attempt', async () => {
  await register('ghost', { capabilities: ['ghost'], max_workers: 100 })
  await plainPool('present', { capabilities: ['ghost'], current_workers: 9 }, () => ({ fine: 1 }))
  const id = await submit({ required_capabilities: ['ghost'] })
  const result = await resultOf(id)
  expect(result).toMatchObject({ status: 'completed', pool_name: 'present', metadata: { attempts: 1 } })
  expect(result.metadata['history']).toMatchObject([{ pool: 'ghost', reason: 'POOL_GONE' }])
})

test('tasks that nobody can take are stored away when they stand in the way, and come back with a pool that fits', async () => {
  await plainPool('open', { capabilities: ['open'] }, () => ({ ok: 1 }))
  const stuck = Array.from({ length: 3_000 }, () => nuid.next())
  for (const id of stuck)
    nc.publish(
      `task.submitted.normal.${id}`,
      JSON.stringify({ task_id: id, task_type: 'x', payload: {}, required_capabilities: ['later'] }),
    )
  const free = await submit({ required_capabilities: ['open'] })
  expect(await resultOf(free)).toMatchObject({ status: 'completed' })
  const stats = await request('executor.stats', {})
  expect(stats['parked']).toBeGreaterThan(0)
  const parkedOne = await request('task.status', { task_id: stuck[2_999] })
  expect(parkedOne).toMatchObject({ status: 'pending' })
  await plainPool('later', { capabilities: ['later'], max_workers: 100 }, () => ({ ok: 1 }))
  await until(() => stuck.every((id) => results.get(id)?.status === 'completed'), 'all that was parked')
})

test('not_before is kept, in memory when near and in the stream when far', async () => {
  const ran: number[] = []
  await plainPool('timed', { capabilities: ['timed'] }, () => {
    ran.push(Date.now())
    return {}
  })
  const near = Date.now() + 700
  const far = Date.now() + 6_500
  const ids = await Promise.all(
    [near, far].map((at) =>
      submit({ required_capabilities: ['timed'], not_before: new Date(at).toISOString() }),
    ),
  )
  await Promise.all(ids.map(resultOf))
  expect(ran[0]).toBeGreaterThanOrEqual(near)
  expect(ran[1]).toBeGreaterThanOrEqual(Math.floor(far / 1000) * 1000)
})

test('what is no task is recorded, and fails where it has an id; a pending one is not touched', async () => {
  const rejected: Record<string, unknown>[] = []
  nc.subscribe('task.rejected', { callback: (_, m) => void rejected.push(m.json()) })
  await request('task.submitted', 'just text')
  await until(() => rejected.length === 1)
  expect(rejected[0]).toMatchObject({ error: { code: 'INVALID_INPUT' }, received: '"just text"' })
  const id = nuid.next()
  await request('task.submitted', { task_id: id, task_type: 'x', payload: {}, priority: 101 })
  expect(await resultOf(id)).toMatchObject({ status: 'failed', metadata: { reason: 'INVALID_INPUT' } })
  const pending = await submit({ required_capabilities: ['never'] })
  await until(async () => (await request('task.status', { task_id: pending }))['status'] === 'pending')
  await request('task.submitted', { task_id: pending, task_type: 'x', payload: 7 })
  await until(() => rejected.length === 3)
  expect(await request('task.status', { task_id: pending })).toMatchObject({ status: 'pending' })
})

test('the same id at once and after the end runs once', async () => {
  let runs = 0
  await plainPool('once', { capabilities: ['once'] }, () => ({ runs: ++runs }))
  const id = nuid.next()
  const before = told
  await Promise.all(Array.from({ length: 5 }, () => submit({ task_id: id, required_capabilities: ['once'] })))
  await resultOf(id)
  await submit({ task_id: id, required_capabilities: ['once'] })
  const marker = await submit({ required_capabilities: ['once'] })
  await resultOf(marker)
  expect(runs).toBe(2)
  expect(told - before).toBe(2)
})
