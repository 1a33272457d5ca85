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
