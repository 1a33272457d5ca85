// Pools that an MCP server lists.
import { McpTestServer } from '@poolmesh/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Fixture, fixture } from './fixture.ts'

let bus: Fixture
let registry: AsyncDisposable
beforeAll(async () => {
  bus = await fixture()
  registry = await bus.start({ POOLMESH_CHECK_TIMEOUT: '1' })
})
afterAll(async () => {
  await registry[Symbol.asyncDispose]()
  await bus[Symbol.asyncDispose]()
})

const discover = (...endpoints: string[]) => bus.ask('pool.discover', { endpoints })
const NOTHING = { new: [], changed: [], gone: [], failed: [] }

/** A server whose tool for listing says that. */
async function listing(tool: 'pool_list' | 'list_pools', says: () => unknown): Promise<McpTestServer> {
  const kind = tool === 'pool_list' ? 'mahavishnu' : 'session_buddy'
  const server = await McpTestServer.start({ kind })
  server.changeTools({ [tool]: { input: {}, run: says } })
  return server
}

test('the pools of a mahavishnu server are registered with its endpoint, and their tasks go to those pools', async () => {
  await using server = await McpTestServer.start({ kind: 'mahavishnu' })
  expect(await discover(server.endpoint)).toEqual({ ...NOTHING, new: ['default'] })
  expect(await bus.ask('pool.get', { name: 'default' })).toMatchObject({
    pool_type: 'mahavishnu',
    endpoint: server.endpoint,
    max_workers: 1,
    metadata: {
      mcp: { pool_id: 'default', use: 'pool_execute' },
      discovered_from: server.endpoint,
    },
  })
  expect(await discover(server.endpoint)).toEqual(NOTHING)
  await bus.ask('pool.deregister', { name: 'default' })
})

test('the pools of a Session-Buddy are read from its text, and change like there', async () => {
  let lines = ['a1: running=True, workers=3', 'a2: running=False, workers=2']
  await using server = await listing(
    'list_pools',
    () => `📊 Pools (${lines.length} total):\n${lines.map((line) => `  - ${line}`).join('\n')}`,
  )
  expect(await discover(server.endpoint)).toEqual({ ...NOTHING, new: ['a1', 'a2'] })
  expect(await bus.ask('pool.get', { name: 'a1' })).toMatchObject({
    pool_type: 'session_buddy',
    endpoint: server.endpoint,
    max_workers: 3,
    health_status: 'healthy',
  })
  expect(await bus.ask('pool.get', { name: 'a2' })).toMatchObject({ health_status: 'unavailable' })
  lines = ['a1: running=True, workers=5']
  expect(await discover(server.endpoint)).toEqual({ ...NOTHING, changed: ['a1'], gone: ['a2'] })
  lines = []
  expect(await discover(server.endpoint)).toEqual({ ...NOTHING, gone: ['a1'] })
})

test('a list that cannot be read takes nothing out, and the reason is told', async () => {
  let says: unknown = [{ pool_id: 'b1' }, { pool_id: 'no name' }]
  await using server = await listing('pool_list', () => says)
  const first = await discover(server.endpoint)
  expect(first).toMatchObject({ new: ['b1'], failed: [{ reason: expect.stringContaining('(no name)') }] })
  says = 'two pools'
  expect(await discover(server.endpoint)).toEqual({
    ...NOTHING,
    failed: [{ endpoint: server.endpoint, reason: 'pool_list does not answer with a list' }],
  })
  let text = '📊 Pools (2 total):\n  - c1: running=True, workers=3\n  and another'
  await using buddy = await listing('list_pools', () => text)
  const reason = async (): Promise<string> => {
    const { failed, ...rest } = await discover(buddy.endpoint)
    expect(rest).toEqual({ new: [], changed: [], gone: [] })
    return (failed as { reason: string }[])[0]?.reason ?? ''
  }
  expect(await reason()).toMatch('says that it has 2 pools, and 1 can be read')
  text = '❌ Failed to list pools: no database'
  expect(await reason()).toMatch('list_pools says: Failed to list pools: no database')
  text = 'Everything is fine.'
  expect(await reason()).toMatch('no pools can be read')
  expect(await bus.ask('pool.get', { name: 'b1' })).not.toMatchObject({ draining: true })
})

test('servers without such a tool, that hang or are down hold up no other', async () => {
  await using akosha = await McpTestServer.start({ kind: 'akosha' })
  await using hanging = await McpTestServer.start({ kind: 'mahavishnu', fault: () => 'never' })
  await using good = await listing('pool_list', () => [{ pool_id: 'd1', workers: ['w1', 'w2'] }])
  const down = 'http://127.0.0.1:9/mcp'
  const found = await discover(akosha.endpoint, hanging.endpoint, down, good.endpoint)
  expect(found['new']).toEqual(['d1'])
  expect(await bus.ask('pool.get', { name: 'd1' })).toMatchObject({ max_workers: 2 })
  const failed = found['failed'] as { endpoint: string; reason: string }[]
  const reasons = Object.fromEntries(failed.map(({ endpoint, reason }) => [endpoint, reason]))
  expect(reasons[akosha.endpoint]).toBe('it has neither the tool pool_list nor list_pools')
  expect(reasons[hanging.endpoint]).toMatch(/no answer (within 1 s|in the time of the call)/)
  expect(reasons[down]).toMatch(/^it cannot be asked: /)
})
