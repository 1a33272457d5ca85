// Contract, promise 1: an acknowledged task ends in exactly one stored result, also when everything stops in between.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '@poolmesh/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { completed, startSystem, unique } from './harness.ts'

let dataDir: string
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'poolmesh-contract-'))
})
afterAll(() => rm(dataDir, { recursive: true, force: true }))

test('tasks, results, pools and events are there after a restart of the server and all services', async () => {
  const capability = unique('cap')
  const later = unique('later')
  const task = { required_capabilities: [capability] }
  const batch = unique('batch')
  let done: string
  let waiting: string[]
  let interrupted: string
  let parkedUntil: string
  {
    await using first = await startSystem({}, dataDir)
    const { stranger } = first
    const pool = await stranger.pool('keeper', {
      capabilities: [capability],
      handler: (work) => (work.task.payload['wait'] ? new Promise(() => {}) : completed(work, { run: 1 })),
    })
    done = await stranger.submit(task)
    expect(await stranger.resultOf(done)).toMatchObject({ status: 'completed' })
    waiting = await Promise.all(
      Array.from({ length: 20 }, () => stranger.submit({ required_capabilities: [later] })),
    )
    await stranger.store(
      `task.submitted.low.${batch}`,
      Array.from({ length: 100 }, () => ({ task_type: 'x', payload: {}, required_capabilities: [later] })),
    )
    parkedUntil = await stranger.submit({ ...task, not_before: new Date(Date.now() + 6_000).toISOString() })
    interrupted = await stranger.submit({ ...task, payload: { wait: true } })
    await until(() => pool.ids().includes(interrupted))
    // The pool goes down with the rest, in the middle of its work.
    await pool.die()
  }
  await using second = await startSystem({}, dataDir)
  const { stranger } = second
  expect(await stranger.ask('pool.get', { name: 'keeper' })).toMatchObject({
    name: 'keeper',
    capabilities: [capability],
  })
  expect(await stranger.ask('task.result', { task_id: done })).toMatchObject({
    status: 'completed',
    output: { run: 1 },
  })
  expect(await stranger.status(waiting[0] as string)).toMatchObject({ status: 'pending' })
  await using keeper = await stranger.pool('keeper', {
    capabilities: [capability],
    handler: (work) => completed(work, { run: 2 }),
  })
  await using newcomer = await stranger.pool(unique('newcomer'), { capabilities: [later] })
  for (const id of [...waiting, ...Array.from({ length: 100 }, (_, i) => `${batch}-${i}`)])
    expect(await stranger.resultOf(id)).toMatchObject({ status: 'completed', pool_name: newcomer.name })
  for (const id of [interrupted, parkedUntil])
    expect(await stranger.resultOf(id)).toMatchObject({
      status: 'completed',
      pool_name: 'keeper',
      output: { run: 2 },
    })
  expect(keeper.ids()).not.toContain(done)
  for (const id of [...waiting, interrupted, parkedUntil]) expect(stranger.resultsOf(id)).toHaveLength(1)
  await stranger.submit({ ...task, task_id: done })
  await stranger.run(task)
  expect(keeper.ids()).not.toContain(done)
  const events = []
  for await (const message of await stranger.jsm.direct.getBatch('POOL_EVENTS', {
    seq: 1,
    next_by_subj: 'pool.registered',
    batch: 1_000,
  }))
    events.push(message.json<{ pool: string }>().pool)
  expect(events).toContain('keeper')
})
