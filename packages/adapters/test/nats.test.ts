// Answers of plain subscribers, which are said once, while the executor that hears them begins or ends to dispatch.
import { ClaimCheck, silentLogger } from '@poolmesh/bus'
import { startTestServer, until } from '@poolmesh/testkit'
import { INTERNAL } from '@poolmesh/types'
import { expect, test } from 'vitest'
import { NatsAdapter } from '../src/index.ts'

const ANSWERS = 20_000

test('no answer is missed while an executor that stood by begins to dispatch', async () => {
  await using server = await startTestServer()
  const [nc, plain] = [await server.connect('executor'), await server.connect('plain')]
  const told = new Set<string>()
  const runs = {
    answer: (_pool: string, taskId: string) => void told.add(taskId),
    gone: () => {},
    lost: () => {},
  }
  using adapter = new NatsAdapter(nc, runs, new ClaimCheck(nc), silentLogger())
  await nc.flush()
  let acting: Promise<void> | null = null
  for (let i = 0; i < ANSWERS; i++) {
    plain.publish(`${INTERNAL.answer}.one.p.1.t-${i}`, '{"status":"completed"}')
    if (i % 500 === 499) await plain.flush()
    if (i === ANSWERS / 2) acting = adapter.act()
  }
  await acting
  await plain.flush()
  await until(() => told.size === ANSWERS, 'all answers to be told')
  expect(told.size).toBe(ANSWERS)
})
