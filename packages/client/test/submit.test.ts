import { headers } from '@nats-io/transport-node'
import { startTestServer, type TestServer } from '@poolmesh/testkit'
import { HEADERS, NOTES_AHEAD, PoolmeshError } from '@poolmesh/types'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DistributedTaskExecutor } from '../src/index.ts'
import { startPlainExecutor } from './plain-executor.ts'

let server: TestServer
beforeEach(async () => {
  server = await startTestServer()
  await server.topology()
})
afterEach(() => server[Symbol.asyncDispose]())

const task = (n = 0) => ({ task_type: 'count', payload: { n } })

test('a lone task leaves at once, as an object under its own id, and its result comes back', async () => {
  await using executor = new DistributedTaskExecutor(await server.connect())
  await using other = await startPlainExecutor(await server.connect())
  const handle = executor.submit(task(7))
  const result = await handle.result()
  await handle.stored
  expect(result).toMatchObject({ task_id: handle.taskId, status: 'completed', output: { echo: { n: 7 } } })
  expect(handle.taskId).toMatch(/^pm_[A-Za-z0-9]{22}$/)
  expect(other.taken).toHaveLength(1)
  expect(other.taken[0]).toMatchObject({
    subject: `task.submitted.normal.${handle.taskId}`,
    body: { task_id: handle.taskId, task_type: 'count', payload: { n: 7 } },
  })
  expect(other.taken[0]?.headers?.get(HEADERS.notify)).toMatch(/^_INBOX\./)
})

test('what is told while it is stored counts once the broker has said that it is, and not where it refused it', async () => {
  await using executor = new DistributedTaskExecutor(await server.connect(), { silence: 3_600 })
  const nc = await server.connect()
  const told = (id: string, status: string) => JSON.stringify({ task_id: id, status, metadata: {} })
  nc.subscribe('task.submitted.normal.*', {
    callback: (_, message) => {
      const { subject, headers } = message
      const id = subject.slice('task.submitted.normal.'.length)
      const notify = headers?.get(HEADERS.notify) ?? ''
      const below = NOTES_AHEAD.of(notify)
      expect(below).not.toBeNull()
      const isRefused = message.json<{ payload: { n: number } }>().payload.n === 1
      nc.publish(`${below}.told.w.${id}`, told(id, isRefused ? 'failed' : 'completed'))
      const error = { code: 400, err_code: 10071, description: 'wrong last sequence: 3' }
      const answer = isRefused ? { error } : { stream: 'RESULTS', seq: 7 }
      nc.publish(`${below}.stored.w.${id}`, JSON.stringify(answer))
      // What another has stored.
      if (isRefused) nc.publish(notify, told(id, 'timeout'))
    },
  })
  await nc.flush()
  const first = executor.submit(task(0))
  expect(await first.result()).toMatchObject({ status: 'completed' })
  // Until then the next would go as a batch.
  await first.stored
  expect(await executor.submit(task(1)).result()).toMatchObject({ status: 'timeout' })
})

test('an id whose result is stored has ended, though its task lies there for another moment', async () => {
  await using executor = new DistributedTaskExecutor(await server.connect(), { silence: 3_600 })
  const nc = await server.connect()
  const own = { ...task(3), task_id: 'own' }
  await nc.request('task.submitted.normal.own', JSON.stringify(own))
  await expect(executor.submit(own).result()).rejects.toMatchObject({ code: 'CONFLICT' })
  const stored = { task_id: 'own', pool_name: 'p', status: 'completed', output: { n: 3 }, metadata: {} }
  await nc.request('task.completed.own', JSON.stringify(stored))
  expect(await executor.submit(own).result()).toMatchObject({ status: 'completed', output: { n: 3 } })
})

test('tasks that are submitted at the same time go in batches of their lane, at most 200 each', async () => {
  await using executor = new DistributedTaskExecutor(await server.connect())
  await using other = await startPlainExecutor(await server.connect())
  const handles = Array.from({ length: 500 }, (_, n) =>
    executor.submit({ ...task(n), priority: n % 2 ? 5 : 50 }),
  )
  const results = await Promise.all(handles.map((handle) => handle.result()))
  expect(results.map((result) => result.output?.['echo'])).toEqual(handles.map((_, n) => ({ n })))
  expect(new Set(handles.map((handle) => handle.taskId)).size).toBe(500)
  for (const { lane, tasks, body, id } of other.taken) {
    expect(tasks.length).toBeLessThanOrEqual(200)
    expect(new Set(tasks.map(({ priority }) => (priority === 50 ? 'urgent' : 'normal')))).toEqual(
      new Set([lane]),
    )
    if (Array.isArray(body)) for (const { task_id } of tasks) expect(task_id.startsWith(`${id}-`)).toBe(true)
  }
  expect(other.taken.length).toBeLessThan(10)
})

test('no batch is over 256 KiB', async () => {
  await using executor = new DistributedTaskExecutor(await server.connect())
  await using other = await startPlainExecutor(await server.connect())
  const wide = { task_type: 'wide', payload: { text: 'ä'.repeat(20_000) } }
  await Promise.all(Array.from({ length: 50 }, () => executor.executeTask(wide)))
  for (const { body } of other.taken)
    expect(Buffer.byteLength(JSON.stringify(body))).toBeLessThanOrEqual(256 * 1024)
})

test('a chosen id is the subject, and is refused while it is pending', async () => {
  await using executor = new DistributedTaskExecutor(await server.connect())
  await using second = new DistributedTaskExecutor(await server.connect())
  const first = executor.submit({ ...task(), task_id: 'mine' })
  await first.stored
  await expect(second.executeTask({ ...task(), task_id: 'mine' })).rejects.toMatchObject({ code: 'CONFLICT' })
  expect(() => executor.submit({ ...task(), task_id: 'mine' })).toThrow(/already pending/)
  await using other = await startPlainExecutor(await server.connect())
  expect(await first.result()).toMatchObject({ task_id: 'mine', status: 'completed' })
  expect(other.taken[0]?.subject).toBe('task.submitted.normal.mine')
})

test('a fan-out goes alone to the lane of fan-outs', async () => {
  await using executor = new DistributedTaskExecutor(await server.connect())
  await using other = await startPlainExecutor(await server.connect())
  await Promise.all([
    executor.executeTask(task()),
    executor.executeTask({ ...task(), fan_out: { pools: 'all', aggregation: 'majority' } }),
  ])
  const fanOut = other.taken.find(({ lane }) => lane === 'fanout')
  expect(Array.isArray(fanOut?.body)).toBe(false)
})

test('what is no task is refused at once, with a path', async () => {
  await using executor = new DistributedTaskExecutor(await server.connect())
  const bad = { ...task(), timeout: 0 }
  expect(() => executor.submit(bad)).toThrow(PoolmeshError)
  await expect(executor.executeTask(bad)).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    issues: [{ path: 'timeout' }],
  })
  const circular: Record<string, unknown> = {}
  circular['self'] = circular
  expect(() => executor.submit({ task_type: 'x', payload: circular })).toThrow(/has no JSON form/)
})

test('a result whose note is lost is looked up after a silence', async () => {
  await using executor = new DistributedTaskExecutor(await server.connect(), { silence: 0.1 })
  await using _other = await startPlainExecutor(await server.connect(), { tell: false })
  const results = await Promise.all(Array.from({ length: 30 }, (_, n) => executor.executeTask(task(n))))
  expect(results.every(({ status }) => status === 'completed')).toBe(true)
})

test('a task that vanished from the stream ends as not found', async () => {
  const nc = await server.connect()
  await using executor = new DistributedTaskExecutor(nc, { silence: 0.05 })
  const questions = nc.subscribe('task.status', {
    callback: (_, message) => {
      const h = headers()
      h.set(HEADERS.serviceErrorCode, '404')
      message.respond(JSON.stringify({ error: { code: 'NOT_FOUND', message: 'no task', issues: [] } }), {
        headers: h,
      })
    },
  })
  await expect(executor.executeTask(task())).rejects.toMatchObject({ code: 'NOT_FOUND' })
  questions.unsubscribe()
})

test('a result is told once, however often it comes', async () => {
  const nc = await server.connect()
  await using executor = new DistributedTaskExecutor(nc)
  const seen: string[] = []
  await using other = await startPlainExecutor(await server.connect())
  const handle = executor.submit(task(), { onStatus: ({ status }) => void seen.push(status) })
  await handle.result()
  const again = JSON.stringify({ task_id: handle.taskId, status: 'failed', output: null, error: 'late' })
  nc.publish(other.taken[0]!.headers!.get(HEADERS.notify), again)
  await nc.flush()
  expect(await handle.result()).toMatchObject({ status: 'completed' })
  expect(seen.at(-1)).toBe('completed')
  expect(seen.filter((status) => status === 'completed')).toHaveLength(1)
})

test('what is no result on the inbox is passed over', async () => {
  const nc = await server.connect()
  await using executor = new DistributedTaskExecutor(nc)
  await using other = await startPlainExecutor(await server.connect(), {
    before: async ({ headers: h, id }) => {
      const inbox = h!.get(HEADERS.notify)
      for (const text of [
        '',
        '{',
        'null',
        '[null, 1]',
        `{"task_id":"${id}"}`,
        '{"task_id":"pm_x-1","status":"failed"}',
      ])
        nc.publish(inbox, text)
      await nc.flush()
    },
  })
  expect(await executor.executeTask(task())).toMatchObject({ status: 'completed' })
  expect(other.taken).toHaveLength(1)
})

test('of tasks that were let go nothing is kept once they are stored, alone and in batches; the others are waited for', async () => {
  // Nobody runs them yet: what is kept is kept until the end.
  await using executor = new DistributedTaskExecutor(await server.connect(), { maxOutstanding: 3 })
  const kept = executor.submit(task(0))
  await kept.stored
  for (let round = 0; round < 10; round++) {
    const handles = Array.from({ length: 20 }, (_, n) => executor.submit(task(n)))
    // Before they are stored, and after.
    handles[0]!.letGo()
    await Promise.all(handles.map((handle) => handle.stored))
    for (const handle of handles) handle.letGo()
    await expect(handles[5]!.result()).rejects.toThrow('nobody waits for the task')
  }
  const last = executor.submit({ ...task(1), task_id: 'chosen' })
  await last.stored
  await using _other = await startPlainExecutor(await server.connect())
  expect((await kept.result()).output).toEqual({ echo: { n: 0 } })
  expect((await last.result()).status).toBe('completed')
})
