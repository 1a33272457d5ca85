import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { McpTestServer, until } from '@poolmesh/testkit'
import { expect, test } from 'vitest'
import { conversations, fixture, memories, result, settled, store } from './fixture.ts'

test('results come to Session-Buddy and Akosha once each, also those from before it ran', async () => {
  await using bus = await fixture()
  await store(bus.nc, 'early', result('early', { text: 'the tide was out' }))
  await store(
    bus.nc,
    'batch',
    Array.from({ length: 200 }, (_, n) => result(`batch-${n}`)),
  )
  await using _memory = await bus.start()
  await store(bus.nc, 'late', result('late', null))
  const all = ['early', ...Array.from({ length: 200 }, (_, n) => `batch-${n}`), 'late']
  await until(() => conversations(bus.buddy).length >= all.length && memories(bus.akosha).includes('late'))
  await settled(bus.nc)
  expect(conversations(bus.buddy).toSorted()).toEqual(all.toSorted())
  expect(memories(bus.akosha).toSorted()).toEqual(all.toSorted())
  const [first] = bus.buddy.calls.filter(({ tool }) => tool === 'store_conversation')
  expect(first?.args).toEqual({
    content: 'Task early completed on text-1\ntext: the tide was out',
    project: 'poolmesh',
    metadata: { task_id: 'early', pool_name: 'text-1', status: 'completed' },
  })
  expect(await bus.counted('akosha')).toMatchObject({
    'results_total stored': all.length,
    'results_total given_up': 0,
    failures_in_row: 0,
    pending_messages: 0,
    last_sync_timestamp_seconds: expect.closeTo(Date.now() / 1_000, -2),
  })
  // What was written down of the batch is of no use any more.
  const jsm = await jetstreamManager(bus.nc)
  expect((await jsm.streams.info('KV_MEMORY')).state.messages).toBe(0)
})

test('one that is down holds up no other, and gets everything when it is back', async () => {
  await using bus = await fixture()
  const { port } = bus.buddy
  await bus.buddy.kill()
  await using _memory = await bus.start()
  for (let n = 0; n < 20; n++) await store(bus.nc, `t${n}`, result(`t${n}`))
  await until(() => new Set(memories(bus.akosha)).size === 20)
  const behind = await bus.counted('session_buddy')
  expect(behind['pending_messages']).toBe(20)
  expect(behind['failures_in_row']).toBeGreaterThan(0)
  await using back = await McpTestServer.start({ kind: 'session_buddy', port })
  await until(() => conversations(back).length >= 20)
  await settled(bus.nc)
  expect(conversations(back).toSorted()).toEqual(Array.from({ length: 20 }, (_, n) => `t${n}`).toSorted())
})

test('several processes share the work', async () => {
  await using bus = await fixture()
  await using _one = await bus.start()
  await using _two = await bus.start()
  const ids = Array.from({ length: 300 }, (_, n) => `s${n}`)
  await Promise.all(ids.map((id) => store(bus.nc, id, result(id))))
  await until(() => conversations(bus.buddy).length >= 300 && memories(bus.akosha).length >= 300)
  await settled(bus.nc)
  expect(conversations(bus.buddy).toSorted()).toEqual(ids.toSorted())
  expect(memories(bus.akosha).toSorted()).toEqual(ids.toSorted())
})

test('what is no result holds up nothing', async () => {
  await using bus = await fixture()
  await using _memory = await bus.start()
  await store(bus.nc, 'odd', [{ no: 'result' }, 7, result('odd-2')])
  await jetstream(bus.nc).publish('task.completed.odder', 'no JSON')
  await settled(bus.nc)
  expect(conversations(bus.buddy)).toEqual(['odd-2'])
  expect(memories(bus.akosha)).toEqual(['odd-2'])
})

test('Akosha gets no more at a time than it takes, and texts of at most 8,000 characters', async () => {
  await using bus = await fixture()
  for (let batch = 0; batch < 13; batch++)
    await store(
      bus.nc,
      `n${batch}`,
      Array.from({ length: 200 }, (_, n) => result(`n${batch}-${n}`)),
    )
  await store(bus.nc, 'long', result('long', { text: '😀'.repeat(20_000) }))
  await using _memory = await bus.start()
  await settled(bus.nc, ['akosha'])
  const calls = bus.akosha.calls.filter(({ tool }) => tool === 'batch_store_memories')
  const given = calls.map(({ args }) => args['memories'] as { text: string }[])
  expect(given.map((batch) => batch.length)).toEqual([1_000, 1_000, 601])
  const longest = given.flat().map(({ text }) => text.length)
  expect(Math.max(...longest)).toBe(8_000)
  expect(given.flat().every(({ text }) => text.isWellFormed())).toBe(true)
})

test('a session that the servers have forgotten is opened anew', async () => {
  await using bus = await fixture()
  await using _memory = await bus.start()
  await store(bus.nc, 'f0', result('f0'))
  await settled(bus.nc)
  bus.buddy.forgetSessions()
  bus.akosha.forgetSessions()
  await store(bus.nc, 'f1', result('f1'))
  await settled(bus.nc)
  expect(conversations(bus.buddy)).toEqual(['f0', 'f1'])
  expect(memories(bus.akosha)).toEqual(['f0', 'f1'])
})
