// What docs/durability.md says of a killed server: it has handed each write to the system before it acknowledged it, so
// nothing depends on how often it flushes. (What a power cut takes cannot be tried here.)
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jetstreamManager } from '@nats-io/jetstream'
import { serverPlaces, startAt } from '@poolmesh/testkit'
import { STREAMS } from '@poolmesh/types'
import { expect, test } from 'vitest'
import { connectBus, ensureTopology, Publisher } from '../src/index.ts'

test.each([
  ['2m', 5_000],
  ['1s', 5_000],
  // Each waits for the disk, which others may use too.
  ['always', 500],
])('sync %s: what was acknowledged before a SIGKILL is there after it', async (sync, count) => {
  await using parts = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'poolmesh-sync-'))
  parts.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  const [place] = await serverPlaces(folder, 1, sync)
  const first = await startAt(place!)
  const nc = await connectBus({ servers: first.url, name: 'test' })
  parts.defer(() => nc.close())
  await ensureTopology(nc)
  const publisher = parts.use(new Publisher(nc, { timeoutMs: 60_000 }))
  const acknowledged: number[] = []
  const enough = Promise.withResolvers<void>()
  for (let i = 0; i < count; i++)
    publisher.publish(`task.completed.t${i}`, `{"n":${i}}`, undefined, (outcome) => {
      if (outcome.kind === 'stored') acknowledged.push(i)
      // In the middle of it, while others are on their way.
      if (acknowledged.length === count / 2) enough.resolve()
    })
  await enough.promise
  await first.stop('SIGKILL')
  const before = [...acknowledged]
  parts.use(await startAt(place!))
  const other = await connectBus({ servers: first.url, name: 'test' })
  parts.defer(() => other.close())
  const jsm = await jetstreamManager(other)
  const { state } = await jsm.streams.info(STREAMS.results, { subjects_filter: 'task.completed.>' })
  const there = new Set(Object.keys(state.subjects ?? {}))
  expect(before.filter((i) => !there.has(`task.completed.t${i}`))).toEqual([])
  expect(before.length).toBeGreaterThanOrEqual(count / 2)
})
