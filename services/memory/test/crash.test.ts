// The service as a process: killed between storing and acknowledging, and stopped while it stores.
import { run, until } from '@poolmesh/testkit'
import { expect, test } from 'vitest'
import * as z from 'zod'
import { fixture, result, settled, store } from './fixture.ts'

/** What a killed process held comes back after 15 s, and rounds are 10 s apart. */
const AGAIN_MS = 60_000
const LIMIT = { timeout: 120_000 }

/** Stores what it is given; from the `from`-th call on it keeps the answers until `release`. */
function keeper(from: number) {
  const released = Promise.withResolvers<void>()
  let calls = 0
  let kept = 0
  return {
    kept: () => kept,
    release: () => released.resolve(),
    async answer(): Promise<void> {
      if (++calls < from) return
      kept++
      await released.promise
    },
  }
}

test.each([
  ['finds what is stored', true, 0],
  ['finds nothing', false, 4],
])('killed while it stores in a Session-Buddy whose search %s', LIMIT, async (_, finds, most) => {
  await using bus = await fixture()
  const stored: string[] = []
  const answers = keeper(30)
  bus.buddy.changeTools({
    store_conversation: {
      input: { content: z.string(), project: z.string(), metadata: z.looseObject({}) },
      run: async ({ args }) => {
        stored.push(String(args['content']))
        await answers.answer()
        return '✅ Conversation stored'
      },
    },
    search_conversations: {
      input: { query: z.string(), limit: z.int(), project: z.string() },
      run: ({ args }) => {
        const found = finds ? stored.filter((content) => content.includes(String(args['query']))) : []
        return found.length > 0 ? `🔍 Found:\n${found.join('\n')}` : '🔍 No conversations found'
      },
    },
  })
  const ids = Array.from({ length: 80 }, (_, n) => `c-${n}`)
  for (let n = 0; n < 80; n += 20)
    await store(
      bus.nc,
      `b${n}`,
      ids.slice(n, n + 20).map((id) => result(id)),
    )
  await using killed = run('service.ts', ['memory'], { ...bus.env, NATS_URL: bus.server.url })
  await until(() => answers.kept() === 4, 'four results that are stored and not answered')
  killed.child.kill('SIGKILL')
  await killed.ended
  answers.release()
  await using _next = run('service.ts', ['memory'], { ...bus.env, NATS_URL: bus.server.url })
  await settled(bus.nc, ['session_buddy', 'akosha'], AGAIN_MS)
  const tasks = stored.map((content) => /^Task (\S+)/.exec(content)?.[1])
  expect(new Set(tasks)).toEqual(new Set(ids))
  expect(tasks.length - ids.length).toBe(most)
})

test(
  'killed after Akosha has stored a batch: the same memories are stored again, and no others',
  LIMIT,
  async () => {
    await using bus = await fixture()
    const stored = new Map<string, unknown>()
    let calls = 0
    const answers = keeper(1)
    bus.akosha.changeTools({
      batch_store_memories: {
        input: { memories: z.array(z.looseObject({})) },
        run: async ({ args }) => {
          const memories = args['memories'] as Record<string, unknown>[]
          calls++
          for (const memory of memories) stored.set(String(memory['memory_id']), memory)
          await answers.answer()
          return {
            status: 'completed',
            total: memories.length,
            stored: memories.length,
            failed: 0,
            errors: [],
          }
        },
      },
    })
    const ids = Array.from({ length: 60 }, (_, n) => `a-${n}`)
    await store(
      bus.nc,
      'a',
      ids.map((id) => result(id)),
    )
    await using killed = run('service.ts', ['memory'], { ...bus.env, NATS_URL: bus.server.url })
    await until(() => answers.kept() === 1)
    killed.child.kill('SIGKILL')
    await killed.ended
    answers.release()
    await using _next = run('service.ts', ['memory'], { ...bus.env, NATS_URL: bus.server.url })
    await settled(bus.nc, ['akosha'], AGAIN_MS)
    expect(calls).toBe(2)
    expect([...stored.keys()]).toEqual(ids)
  },
)

test(
  'SIGTERM lets what is being stored end, begins nothing more, and leaves the rest to others',
  LIMIT,
  async () => {
    await using bus = await fixture()
    const stored: string[] = []
    const answers = keeper(1)
    bus.buddy.changeTools({
      store_conversation: {
        input: { content: z.string(), project: z.string(), metadata: z.looseObject({}) },
        run: async ({ args }) => {
          stored.push(String((args['metadata'] as Record<string, unknown>)['task_id']))
          await answers.answer()
          return '✅ Conversation stored'
        },
      },
    })
    const ids = Array.from({ length: 30 }, (_, n) => `d${n}`)
    for (const id of ids) await store(bus.nc, id, result(id))
    const stopped = run('service.ts', ['memory'], { ...bus.env, NATS_URL: bus.server.url })
    await until(() => answers.kept() === 4)
    stopped.child.kill('SIGTERM')
    await stopped.line(/"msg":"stops"/)
    answers.release()
    expect(await stopped.ended).toEqual({ code: 0, signal: null })
    expect(stopped.stderr()).toBe('')
    expect(stored).toHaveLength(4)
    await using _next = run('service.ts', ['memory'], { ...bus.env, NATS_URL: bus.server.url })
    await settled(bus.nc, ['session_buddy'], AGAIN_MS)
    expect(stored.toSorted()).toEqual(ids.toSorted())
  },
)

test('a server that hangs does not keep it from stopping', LIMIT, async () => {
  await using bus = await fixture({ buddy: { fault: () => 'never' } })
  await store(bus.nc, 'e', result('e'))
  const stopped = run('service.ts', ['memory'], { ...bus.env, NATS_URL: bus.server.url })
  await until(() => bus.buddy.openCalls === 1)
  stopped.child.kill('SIGTERM')
  expect(await stopped.ended).toEqual({ code: 0, signal: null })
  expect(stopped.stderr()).toBe('')
})
