// Sessions with MCP servers, for whoever calls tools: as the servers of this family that keep memories have them.
import { McpTestServer, until } from '@poolmesh/testkit'
import { afterEach, expect, test, vi } from 'vitest'
import { McpFault, McpSessions } from '../src/index.ts'

let stack = new AsyncDisposableStack()
afterEach(async () => {
  await stack.disposeAsync()
  stack = new AsyncDisposableStack()
  vi.restoreAllMocks()
})

const server = async (...[options]: Parameters<typeof McpTestServer.start>) =>
  stack.use(await McpTestServer.start(options))

function to({ endpoint }: McpTestServer) {
  const sessions = new McpSessions()
  stack.defer(() => sessions.close())
  return { sessions, session: sessions.of({ url: endpoint, headers: {} }) }
}
const IN_TIME = { timeoutMs: 20_000 }

test('Akosha embeds texts, stores memories, and keeps of their metadata what it knows', async () => {
  const akosha = await server({ kind: 'akosha' })
  const { session } = to(akosha)
  expect([...(await session.tools(IN_TIME))]).toContain('batch_store_memories')
  const embedded = await session.call('generate_batch_embeddings', { texts: ['a result'] }, IN_TIME)
  const { embeddings } = embedded.structuredContent as { embeddings: number[][] }
  expect(embeddings[0]).toHaveLength(384)
  const memory = { text: 'a result', metadata: { source: 'poolmesh', other: 1 } }
  const memories = [
    { ...memory, memory_id: 'a', embedding: embeddings[0] },
    { ...memory, memory_id: 'b' },
  ]
  const stored = await session.call('batch_store_memories', { memories }, IN_TIME)
  expect(stored.structuredContent).toMatchObject({ status: 'partial', total: 2, stored: 1, failed: 1 })
  const read = await session.call('query_local_traces', { system_id: 'poolmesh', limit: 10 }, IN_TIME)
  expect(read.structuredContent).toEqual({
    traces: [{ memory_id: 'a', text: 'a result', source: 'poolmesh' }],
  })
})

test('Session-Buddy stores conversations and finds them, in texts', async () => {
  const { session } = to(await server({ kind: 'session_buddy' }))
  await session.call('store_conversation', { content: 'how a task ended' }, IN_TIME)
  const found = await session.call('search_conversations', { query: 'TASK', limit: 5 }, IN_TIME)
  expect(found.structuredContent).toEqual({ result: expect.stringContaining('how a task ended') })
  const short = await session.call('store_conversation', { content: 'short' }, IN_TIME)
  expect(short.isError).toBe(true)
})

test('what does not answer in time is given up, and the server is told', async () => {
  const buddy = await server({ kind: 'session_buddy', handler: () => new Promise(() => {}) })
  const { session } = to(buddy)
  await session.tools(IN_TIME)
  const call = session.call('execute_on_pool', { pool_id: 'default', prompt: '' }, { timeoutMs: 50 })
  await expect(call).rejects.toMatchObject({ kind: 'timed_out', sent: true })
  await until(() => buddy.cancelled.length === 1)
})

test('a call with a signal that has aborted is not sent', async () => {
  const buddy = await server({ kind: 'session_buddy' })
  const { session } = to(buddy)
  const call = session.call('list_pools', {}, { ...IN_TIME, signal: AbortSignal.abort() })
  await expect(call).rejects.toThrow(McpFault)
  expect(buddy.calls).toEqual([])
})

test('calls at the same time share a session, and one session is kept for each address', async () => {
  const buddy = await server({ kind: 'session_buddy' })
  const { sessions, session } = to(buddy)
  await Promise.all(Array.from({ length: 20 }, () => session.call('list_pools', {}, IN_TIME)))
  expect(sessions.of({ url: buddy.endpoint, headers: {} })).toBe(session)
  sessions.sweep()
  expect([buddy.count('initialize'), buddy.sessions, buddy.calls.length]).toEqual([1, 1, 20])
})

test('many sessions that forget each other open one new session and lose no call', async () => {
  const buddy = await server({ kind: 'session_buddy' })
  const { session } = to(buddy)
  await session.call('list_pools', {}, IN_TIME)
  buddy.forgetSessions()
  await Promise.all(Array.from({ length: 20 }, () => session.call('list_pools', {}, IN_TIME)))
  expect([buddy.count('initialize'), buddy.calls.length]).toEqual([2, 21])
})

test('a session that nobody has used for a minute is ended, and one that is about to be used is not', async () => {
  const buddy = await server({ kind: 'session_buddy' })
  const other = await server({ kind: 'session_buddy' })
  const { sessions, session } = to(buddy)
  await session.call('list_pools', {}, IN_TIME)
  const of = { url: other.endpoint, headers: {} }
  await sessions.of(of).call('list_pools', {}, IN_TIME)
  const now = performance.now.bind(performance)
  vi.spyOn(performance, 'now').mockImplementation(() => now() + 61_000)
  const used = sessions.of(of)
  sessions.sweep()
  await until(() => buddy.sessions === 0)
  await used.call('list_pools', {}, IN_TIME)
  expect([other.sessions, other.count('initialize')]).toEqual([1, 1])
})
