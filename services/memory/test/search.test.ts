import { jetstreamManager } from '@nats-io/jetstream'
import { McpTestServer, until } from '@poolmesh/testkit'
import { memorySearchReplySchema } from '@poolmesh/types'
import { expect, test } from 'vitest'
import { RecentIndex } from '../src/recent-index.ts'
import { tasksIn } from '../src/text.ts'
import { conversations, fixture, memories, result, store } from './fixture.ts'

test('a result is found at once, where it is found is named, and the other sources answer too', async () => {
  await using bus = await fixture()
  await store(bus.nc, 'before', result('before', { place: 'Brest', tide: 'low' }))
  await using _memory = await bus.start()
  await store(bus.nc, 'b', [result('b-0', { place: 'Calais' }), result('b-1', null)])
  const found = await bus.search('calais')
  expect(memorySearchReplySchema.parse(found)).toEqual(found)
  expect(found).toMatchObject({
    hits: [{ task_id: 'b-0', source: 'recent', text: 'Task b-0 completed on text-1\nplace: Calais' }],
    failed: [],
  })
  expect((await bus.search('rained')).hits[0]?.task_id).toBe('b-1')
  // A beginning, and a letter wrong.
  expect((await bus.search('cala')).hits[0]?.task_id).toBe('b-0')
  expect((await bus.search('calaiz')).hits[0]?.task_id).toBe('b-0')
  await until(() => conversations(bus.buddy).length === 3 && memories(bus.akosha).length === 3)
  expect((await bus.search('brest')).hits).toEqual([
    {
      task_id: 'before',
      text: 'Task before completed on text-1\nplace: Brest\ntide: low',
      score: expect.any(Number),
      source: 'recent',
      also_in: ['session_buddy', 'akosha'],
    },
  ])
  expect((await bus.search('task', 2)).hits).toHaveLength(2)
  expect(await bus.search('nothing of the kind')).toEqual({ hits: [], failed: [] })
})

test('what only the others have is found there', async () => {
  await using bus = await fixture()
  await using _memory = await bus.start()
  await store(bus.nc, 'old', result('old', { place: 'Ostend' }))
  await until(() => conversations(bus.buddy).length === 1 && memories(bus.akosha).length === 1)
  bus.buddy.changeTools({
    search_conversations: { input: {}, run: () => '🔍 1 conversation:\n1. a word about Ostend, by hand' },
  })
  await (await jetstreamManager(bus.nc)).streams.purge('RESULTS')
  // A process that starts now knows nothing of it.
  await using server = await fixture()
  await using _other = await server.start({
    MAHAVISHNU_POOLS__SESSION_BUDDY_URL: bus.buddy.endpoint,
    MAHAVISHNU_POOLS__AKOSHA_URL: bus.akosha.endpoint,
  })
  expect((await server.search('ostend')).hits).toMatchObject([
    { task_id: null, source: 'session_buddy', score: null, text: expect.stringContaining('by hand') },
    { task_id: 'old', source: 'akosha', score: expect.any(Number) },
  ])
})

test('sources that are down or hang hold up no other and are named', async () => {
  await using bus = await fixture({ akosha: { fault: () => 'never' } })
  await bus.buddy.kill()
  await using _memory = await bus.start()
  await store(bus.nc, 'x', result('x', { place: 'Dover' }))
  const { hits, failed } = await bus.search('dover')
  expect(hits).toMatchObject([{ task_id: 'x', source: 'recent' }])
  expect(failed.map(({ source }) => source)).toEqual(['session_buddy', 'akosha'])
  for (const { reason } of failed) expect(reason.length).toBeGreaterThan(10)
})

test('without aggregation nothing is sent anywhere, and recent results are found', async () => {
  await using bus = await fixture()
  await using _memory = await bus.start({ MAHAVISHNU_POOLS__MEMORY_AGGREGATION_ENABLED: 'false' })
  await store(bus.nc, 'y', result('y', { place: 'Hull' }))
  expect(await bus.search('hull')).toMatchObject({ hits: [{ task_id: 'y' }], failed: [] })
  expect(bus.buddy.requests).toEqual([])
  expect(bus.akosha.requests).toEqual([])
})

test('a request that makes no sense is refused', async () => {
  await using bus = await fixture()
  await using _memory = await bus.start()
  expect(await bus.search('')).toMatchObject({
    error: { code: 'INVALID_INPUT', issues: [{ path: 'query' }] },
  })
  expect(await bus.search('x', 0)).toMatchObject({ error: { issues: [{ path: 'limit' }] } })
  expect(await bus.search('x', 5_000)).toEqual({ hits: [], failed: [] })
})

test('the index is bounded in number and in characters, and what came first goes first', () => {
  const few = new RecentIndex({ count: 3, characters: 1_000 })
  for (let n = 0; n < 10; n++) few.add(`t${n}`, `word number${n}`)
  expect(few.size).toBe(3)
  expect(few.search('word', 10).map(({ task_id }) => task_id)).toEqual(['t7', 't8', 't9'])
  const short = new RecentIndex({ count: 100, characters: 25 })
  for (let n = 0; n < 10; n++) short.add(`t${n}`, '0123456789')
  expect(short.size).toBe(2)
})

test('tasks are found again in a text for people', () => {
  expect(tasksIn('Found 2:\n1. Task a_1 completed on p\nx: y\n2. Task b failed\nerror: z')).toEqual([
    { task_id: 'a_1', text: 'Task a_1 completed on p\nx: y' },
    { task_id: 'b', text: 'Task b failed\nerror: z' },
  ])
  expect(tasksIn('Tasks are completed on time')).toEqual([])
})

test('an MCP server that is no Session-Buddy is a reason', async () => {
  await using bus = await fixture()
  await using other = await McpTestServer.start({ kind: 'mahavishnu' })
  await using _memory = await bus.start({ MAHAVISHNU_POOLS__SESSION_BUDDY_URL: other.endpoint })
  const { failed } = await bus.search('x')
  expect(failed).toMatchObject([
    { source: 'session_buddy', reason: expect.stringContaining('search_conversations') },
  ])
})

test('a service that starts late finds the last results of batches, and skips what would go out again', async () => {
  await using bus = await fixture()
  for (let batch = 0; batch < 130; batch++)
    await store(
      bus.nc,
      `m${batch}`,
      Array.from({ length: 200 }, (_, n) => result(`m${batch}-${n}`, { batch: `number${batch}` })),
    )
  await using _memory = await bus.start({ MAHAVISHNU_POOLS__MEMORY_AGGREGATION_ENABLED: 'false' })
  // Words that are alike are found too, after those that are the same.
  const isFull = async (word: string) =>
    (await bus.search(word, 100)).hits.filter(({ text }) => text.endsWith(word)).length === 100
  await until(() => isFull('number129'))
  await until(() => isFull('number31'))
  const [first] = (await bus.search('number0')).hits
  expect(first?.text).not.toMatch(/number0$/)
})
