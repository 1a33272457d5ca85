import { startTestServer, type TestServer, until } from '@poolmesh/testkit'
import { completedSubject, type DistributedTaskResult, type TerminalStatus } from '@poolmesh/types'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type EndedTask, recentPoolEvents, recentResults, tailResults } from '../src/index.ts'

let server: TestServer
let nc: Awaited<ReturnType<TestServer['connect']>>
beforeAll(async () => {
  server = await startTestServer()
  await server.topology()
  nc = await server.connect()
})
afterAll(() => server?.[Symbol.asyncDispose]())

const result = (taskId: string, status: TerminalStatus = 'completed', pool = 'a'): DistributedTaskResult => ({
  task_id: taskId,
  pool_name: pool,
  status,
  output: {},
  error: null,
  duration: 0.1,
  metadata: { attempts: 1, queued_ms: 1 },
})
/** Stored as an executor stores them: under the id of the submission. */
const store = (id: string, body: unknown) => nc.request(completedSubject(id), JSON.stringify(body))
const idsOf = (ended: EndedTask[]): string[] => ended.map(({ result }) => result.task_id)

/** 3 a message but for those that are alone; the ids are in the order in which they are stored. */
const stored: string[] = []
const MESSAGES = 200

test('what has ended comes newest first, page by page, whether it was submitted alone or in a batch', async () => {
  expect(await recentResults(nc)).toEqual({ items: [], cursor: null })
  for (let i = 0; i < MESSAGES; i++)
    if (i % 2 === 0) {
      await store(`lone${i}`, result(`lone${i}`, 'failed', 'b'))
      stored.push(`lone${i}`)
    } else {
      const ids = [0, 1, 2].map((n) => `batch${i}-${n}`)
      await store(
        `batch${i}`,
        ids.map((id) => result(id)),
      )
      await nc.request(`task.branch.branch${i}`, JSON.stringify(result(`branch${i}`)))
      stored.push(...ids)
    }
  const newestFirst = stored.toReversed()
  const all = await recentResults(nc, { limit: 10_000 })
  expect(idsOf(all.items)).toEqual(newestFirst)
  expect(all.cursor).toBeNull()
  expect(Date.parse(all.items[0]?.at ?? '')).toBeGreaterThan(Date.now() - 60_000)
  const paged: string[] = []
  let cursor: string | null = null
  do {
    const page = await recentResults(nc, { limit: 7, cursor })
    paged.push(...idsOf(page.items))
    expect(page.items.length).toBeLessThanOrEqual(7)
    cursor = page.cursor
  } while (cursor !== null)
  expect(paged).toEqual(newestFirst)
})

test('a filter is looked for through so many results, then the cursor goes on', async () => {
  const failed = await recentResults(nc, { filter: { status: ['failed'] }, limit: 10_000 })
  expect(idsOf(failed.items)).toEqual(stored.filter((id) => id.startsWith('lone')).reverse())
  const ofPool = await recentResults(nc, { filter: { pool: 'a', status: ['completed'] }, limit: 2 })
  expect(idsOf(ofPool.items)).toEqual(stored.slice(-2).reverse())
  const none = await recentResults(nc, { filter: { pool: 'nowhere' }, scan: 10 })
  expect(none.items).toEqual([])
  const rest = await recentResults(nc, { cursor: none.cursor, limit: 10_000 })
  expect(idsOf(rest.items)).toEqual(stored.slice(0, -10).reverse())
})

test('what is no result is left out, and a cursor that is none is refused', async () => {
  await nc.request(completedSubject('junk'), 'no JSON')
  await nc.request(completedSubject('junk'), '[null,{"task_id":7}]')
  expect(idsOf((await recentResults(nc, { limit: 1 })).items)).toEqual(stored.slice(-1))
  await expect(recentResults(nc, { cursor: 'x' })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
})

test('the tail has what is stored from now on, with when and where', async () => {
  const stop = new AbortController()
  const tail = tailResults(nc, { filter: { status: ['completed'] }, signal: stop.signal })
  await store('later', [result('later-0'), result('later-1', 'failed'), result('later-2')])
  const seen: EndedTask[] = []
  for await (const ended of tail) if (seen.push(ended) === 2) stop.abort()
  expect(idsOf(seen)).toEqual(['later-0', 'later-2'])
  const { items } = await recentResults(nc, { limit: 1 })
  expect(seen.at(-1)).toMatchObject({ sequence: items[0]?.sequence })
  expect(Date.parse(seen.at(-1)?.at ?? '')).toBe(Date.parse(items[0]?.at ?? ''))
})

test('far behind much that is not asked for, and among large ones, none is missed', async () => {
  const large = (id: string) => ({ ...result(id), output: { text: 'x'.repeat(700_000) } })
  const ids = Array.from({ length: 40 }, (_, i) => `large${i}`)
  for (const id of ids) await store(id, large(id))
  await Promise.all(Array.from({ length: 3_000 }, (_, i) => nc.request(`task.branch.b${i}`, '{}')))
  await store('last', result('last'))
  const found: string[] = []
  let cursor: string | null = null
  do {
    const page = await recentResults(nc, { limit: 30, cursor })
    found.push(...idsOf(page.items))
    cursor = page.cursor
  } while (found.length < 41 && cursor !== null)
  expect(found.slice(0, 41)).toEqual(['last', ...ids.toReversed()])
})

test('a reader that is too slow misses the oldest, and the tail counts them', async () => {
  const tail = tailResults(nc, { buffer: 2 })
  await store(
    'many',
    Array.from({ length: 5 }, (_, i) => result(`many-${i}`)),
  )
  await until(() => tail.missed === 3)
  const reader = tail[Symbol.asyncIterator]()
  expect((await reader.next()).value?.result.task_id).toBe('many-3')
  await reader.return?.()
})

test('events of pools come newest first too', async () => {
  const event = (n: number, pool: string) => ({
    event_id: `e${n}`,
    at: new Date().toISOString(),
    pool,
    reason: 'a test',
    previous_status: 'healthy',
  })
  await nc.request('pool.registered', JSON.stringify(event(1, 'a')))
  await nc.request('pool.unhealthy', JSON.stringify(event(2, 'a')))
  await nc.request('pool.unhealthy', JSON.stringify(event(3, 'b')))
  const idsOf = (events: { event_id: string }[]): string[] => events.map(({ event_id }) => event_id)
  expect(idsOf((await recentPoolEvents(nc)).items)).toEqual(['e3', 'e2', 'e1'])
  expect(idsOf((await recentPoolEvents(nc, { kinds: ['unhealthy'], pool: 'a' })).items)).toEqual(['e2'])
  const first = await recentPoolEvents(nc, { limit: 1 })
  expect(idsOf((await recentPoolEvents(nc, { cursor: first.cursor })).items)).toEqual(['e2', 'e1'])
})
