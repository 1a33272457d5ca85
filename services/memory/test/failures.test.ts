// Servers that refuse: one result, everything, for a while, or for ever.
import { jetstreamManager } from '@nats-io/jetstream'
import { until } from '@poolmesh/testkit'
import { expect, test } from 'vitest'
import * as z from 'zod'
import { conversations, type Fixture, fixture, memories, result, settled, store } from './fixture.ts'

type Memory = { memory_id: string }

/** Akosha stores what `fails` gives no reason for. @returns the ids of each call */
function akoshaThat(bus: Fixture, fails: (id: string, call: number) => string | null): string[][] {
  const calls: string[][] = []
  bus.akosha.changeTools({
    batch_store_memories: {
      input: { memories: z.array(z.looseObject({})) },
      run: ({ args }) => {
        const ids = (args['memories'] as Memory[]).map((memory) => memory.memory_id)
        calls.push(ids)
        const errors = ids.flatMap((id) => fails(id, calls.length) ?? [])
        const status = errors.length === 0 ? 'completed' : errors.length === ids.length ? 'failed' : 'partial'
        return {
          status,
          total: ids.length,
          stored: ids.length - errors.length,
          failed: errors.length,
          errors,
        }
      },
    },
  })
  return calls
}

test('of a batch that Akosha stores in part only the rest is sent again', async () => {
  await using bus = await fixture()
  const calls = akoshaThat(bus, (id, call) => (id === 'p-7' && call === 1 ? `${id}: no room` : null))
  await store(
    bus.nc,
    'p',
    Array.from({ length: 40 }, (_, n) => result(`p-${n}`)),
  )
  await using _memory = await bus.start()
  await settled(bus.nc)
  expect(calls.map((ids) => ids.length)).toEqual([40, 1])
  expect(calls[1]).toEqual(['p-7'])
})

test('where the errors do not say which failed, all of it is sent again', async () => {
  await using bus = await fixture()
  const calls = akoshaThat(bus, (id, call) => (id === 'q-1' && call === 1 ? 'no room' : null))
  await store(bus.nc, 'q', [result('q-0'), result('q-1')])
  await using _memory = await bus.start()
  await settled(bus.nc)
  expect(calls).toEqual([
    ['q-0', 'q-1'],
    ['q-0', 'q-1'],
  ])
})

/** Session-Buddy says ❌ to what `refuses` says. @returns the ids that it has stored, in their order */
function buddyThat(bus: Fixture, refuses: (id: string) => boolean): string[] {
  const stored: string[] = []
  bus.buddy.changeTools({
    store_conversation: {
      input: { content: z.string(), project: z.string(), metadata: z.looseObject({}) },
      run: ({ args }) => {
        const id = String((args['metadata'] as Record<string, unknown>)['task_id'])
        if (refuses(id)) return '❌ Error storing conversation: database is locked'
        stored.push(id)
        return '✅ Conversation stored'
      },
    },
  })
  return stored
}

test('a result that Session-Buddy refuses holds up no other and is tried again', async () => {
  await using bus = await fixture()
  const asked = new Map<string, number>()
  const stored = buddyThat(bus, (id) => {
    asked.set(id, (asked.get(id) ?? 0) + 1)
    return id === 'r-1' && asked.get(id) === 1
  })
  await store(bus.nc, 'r', [result('r-0'), result('r-1'), result('r-2')])
  await using _memory = await bus.start()
  await settled(bus.nc)
  expect(stored).toEqual(['r-0', 'r-2', 'r-1'])
})

test('a server that refuses everything loses nothing by it', async () => {
  await using bus = await fixture()
  let isBroken = true
  let asked = 0
  const stored = buddyThat(bus, () => {
    asked++
    return isBroken
  })
  for (let n = 0; n < 5; n++) await store(bus.nc, `u${n}`, result(`u${n}`))
  await using _memory = await bus.start()
  await until(() => asked >= 7, 'it to be asked again')
  const jsm = await jetstreamManager(bus.nc)
  // Nothing counts as refused.
  expect((await jsm.streams.info('KV_MEMORY')).state.messages).toBe(0)
  isBroken = false
  await settled(bus.nc)
  expect(stored.toSorted()).toEqual(['u0', 'u1', 'u2', 'u3', 'u4'])
})

test('what is refused ten times, while others are taken, is given up', async () => {
  await using bus = await fixture()
  buddyThat(bus, (id) => id === 'w-1')
  await store(bus.nc, 'w', [result('w-0'), result('w-1')])
  await using _memory = await bus.start()
  const jsm = await jetstreamManager(bus.nc)
  const leftOver = async () =>
    await jsm.direct.getMessage('KV_MEMORY', { last_by_subj: '$KV.MEMORY.session_buddy.1' }).then(
      (message) => message?.string() ?? null,
      () => null,
    )
  await until(async () => (await leftOver()) === '[[1,1]]', 'the refusal to be counted')
  // As after nine refusals, which take an hour.
  await bus.nc.request('$KV.MEMORY.session_buddy.1', '[[1,9]]')
  let n = 0
  const flow = setInterval(() => void store(bus.nc, `v${n}`, result(`v${n++}`)), 200)
  try {
    await until(async () => (await leftOver()) === null, 'it to be given up')
  } finally {
    clearInterval(flow)
  }
  await settled(bus.nc)
  expect(conversations(bus.buddy).filter((id) => id === 'w-1')).toHaveLength(2)
  expect(memories(bus.akosha)).toContain('w-1')
})
