// The NATS server is away: what is submitted waits, and leaves with the same id; or it ends at the caller's deadline with an
// error that says whether it may be stored.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { NatsConnection } from '@nats-io/transport-node'
import { connectBus, DEFAULT_TOPOLOGY, ensureTopology, type NatsServer } from '@poolmesh/bus'
import { type ServerPlace, serverPlaces, startAt, until } from '@poolmesh/testkit'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DistributedTaskExecutor } from '../src/index.ts'
import { startPlainExecutor } from './plain-executor.ts'

let folder: string
let place: ServerPlace
let server: NatsServer
let nc: NatsConnection
let parts: AsyncDisposableStack
beforeEach(async () => {
  parts = new AsyncDisposableStack()
  folder = await mkdtemp(join(tmpdir(), 'poolmesh-away-'))
  parts.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  ;[place] = (await serverPlaces(folder, 1, '1m')) as [ServerPlace]
  server = await startAt(place)
  parts.defer(() => server.stop('SIGKILL'))
  nc = await connect()
  await ensureTopology(nc, DEFAULT_TOPOLOGY)
})
afterEach(() => parts.disposeAsync())

async function connect(): Promise<NatsConnection> {
  const connection = await connectBus({ servers: place.url, name: 'test' })
  parts.defer(() => connection.close().catch(() => {}))
  return connection
}

/** Killed, and the client has noticed: it has tried in vain to come back so often. */
async function away(tries = 2): Promise<void> {
  const noticed = (async () => {
    let seen = 0
    for await (const { type } of nc.status()) if (type === 'reconnecting' && ++seen === tries) return
  })()
  await server.stop('SIGKILL')
  await noticed
}
const back = async (): Promise<void> => {
  server = await startAt(place)
}

const task = (n = 0) => ({ task_type: 'count', payload: { n } })

test('what is submitted meanwhile is stored once the server is back, under the ids that were told', async () => {
  await using executor = new DistributedTaskExecutor(nc)
  await away()
  const handles = Array.from({ length: 500 }, (_, n) => executor.submit(task(n)))
  const chosen = executor.submit({ ...task(), task_id: 'mine' })
  const large = executor.submit({ task_type: 'large', payload: { text: 'x'.repeat(2_000_000) } })
  await back()
  await using other = await startPlainExecutor(await connect())
  const results = await Promise.all([...handles, chosen, large].map((handle) => handle.result()))
  expect(results.map(({ task_id }) => task_id)).toEqual([...handles, chosen, large].map((h) => h.taskId))
  const ids = other.taken.flatMap(({ tasks }) => tasks.map(({ task_id }) => task_id))
  expect(new Set(ids).size).toBe(502)
  expect(ids).toHaveLength(502)
})

test('what was sent and not confirmed when the server died is stored once', async () => {
  await using executor = new DistributedTaskExecutor(nc)
  // It reads nothing any more, so what is sent now is on its way, and gets lost with it.
  process.kill(server.pid, 'SIGSTOP')
  const handle = executor.submit(task(1))
  await new Promise((resolve) => setImmediate(resolve))
  await away()
  await back()
  await using other = await startPlainExecutor(await connect())
  expect(await handle.result()).toMatchObject({ task_id: handle.taskId, status: 'completed' })
  expect(other.taken).toHaveLength(1)
})

test('at the deadline of the caller it is said that nothing was stored, and nothing will be', async () => {
  await using executor = new DistributedTaskExecutor(nc)
  await away()
  const deadline = new AbortController()
  const handle = executor.submit(task(), { signal: deadline.signal })
  const expected = {
    code: 'DEADLINE_EXCEEDED',
    message: expect.stringMatching(/was not stored, and will not be/),
  }
  deadline.abort(new DOMException('late', 'TimeoutError'))
  await expect(handle.result()).rejects.toMatchObject(expected)
  await expect(handle.stored).rejects.toMatchObject(expected)
  const next = executor.submit(task(1))
  await back()
  await using other = await startPlainExecutor(await connect())
  await next.result()
  expect(other.taken.map(({ id }) => id)).toEqual([next.taskId])
})

test('at the deadline of the caller it is said that it may be stored, and if it is, it is cancelled', async () => {
  await using executor = new DistributedTaskExecutor(nc)
  process.kill(server.pid, 'SIGSTOP')
  const deadline = new AbortController()
  const handle = executor.submit(task(), { signal: deadline.signal })
  await new Promise((resolve) => setImmediate(resolve))
  deadline.abort(new DOMException('late', 'TimeoutError'))
  await expect(handle.result()).rejects.toMatchObject({
    code: 'DEADLINE_EXCEEDED',
    message: expect.stringMatching(/may be stored or not; if it is, it is cancelled/),
  })
  const cancelled: string[] = []
  const other = await connectLater()
  other.subscribe('task.cancel', {
    callback: (_, message) => {
      cancelled.push(message.json<{ task_id: string }>().task_id)
      message.respond(JSON.stringify({ task_id: handle.taskId, cancelled: true, status: 'cancelled' }))
    },
  })
  await other.flush()
  await until(() => cancelled.length > 0, 'the cancellation')
  expect(cancelled[0]).toBe(handle.taskId)
})

/** The server goes on. */
async function connectLater(): Promise<NatsConnection> {
  process.kill(server.pid, 'SIGCONT')
  return await connect()
}

test('after the time of the client itself, too', async () => {
  await using executor = new DistributedTaskExecutor(nc, { storeTimeout: 0.2 })
  await away()
  await expect(executor.executeTask(task())).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringMatching(
      /was not stored within 0\.2 s, and will not be.*no connection.*Submit it again/,
    ),
  })
})

test('no more waits than was agreed on, and what is beyond is refused at once', async () => {
  await using executor = new DistributedTaskExecutor(nc, { maxUnstoredBytes: 100_000 })
  await away()
  const handles: { result(): Promise<unknown> }[] = []
  const submit = () =>
    handles.push(executor.submit({ task_type: 'wide', payload: { text: 'x'.repeat(9_000) } }))
  expect(() => {
    for (let i = 0; i < 1_000; i++) submit()
  }).toThrow(
    expect.objectContaining({
      code: 'OVERLOADED',
      message: expect.stringMatching(/^\d+ bytes of tasks wait here until the NATS server is back/),
    }),
  )
  // One message that is being packed, 256 KiB at most, comes on top.
  expect(handles.length).toBeLessThan(50)
  await back()
  await using _other = await startPlainExecutor(await connect())
  await Promise.all(handles.map((handle) => handle.result()))
  submit()
  await handles.at(-1)?.result()
})
