import { startTestServer } from '@poolmesh/testkit'
import { completedSubject } from '@poolmesh/types'
import { expect, test } from 'vitest'
import { Existence } from '../src/existence.ts'
import { ensureTopology, Publisher } from '../src/index.ts'

test('each question has its own answer, however many are asked at once, of what is stored and of what is not', async () => {
  await using server = await startTestServer()
  const nc = await server.connect()
  await ensureTopology(nc)
  using publisher = new Publisher(nc)
  for (let i = 0; i < 1_500; i += 3) {
    const outcome = await publisher.store(completedSubject(`t-${i}`), '{}')
    expect(outcome.kind).toBe('stored')
  }
  using existence = new Existence(nc)
  const ask = (id: string): Promise<boolean | null> =>
    new Promise((resolve) => existence.ask(completedSubject(id), resolve))
  const answers = await Promise.all(Array.from({ length: 1_500 }, (_, i) => ask(`t-${i}`)))
  expect(answers).toEqual(answers.map((_, i) => i % 3 === 0))
  expect(await Promise.all([ask('t-0'), ask('t-0'), ask('t-1')])).toEqual([true, true, false])
  expect(await ask('t-3')).toBe(true)
  expect(await ask('nobody')).toBe(false)
})

test('without a stream, and when it is given up, nobody knows', async () => {
  await using server = await startTestServer()
  const nc = await server.connect()
  const existence = new Existence(nc)
  const ask = (id: string): Promise<boolean | null> =>
    new Promise((resolve) => existence.ask(completedSubject(id), resolve))
  expect(await ask('a')).toBeNull()
  const given = ask('b')
  existence[Symbol.dispose]()
  expect(await given).toBeNull()
})
