// Contract, "Submitting work": task.status, task.cancel, task.explain.
import { until } from '@poolmesh/testkit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  completed,
  gate,
  RFC3339_UTC,
  type RunningSystem,
  type Stranger,
  startSystem,
  unique,
} from './harness.ts'

let running: RunningSystem
let stranger: Stranger
beforeAll(async () => {
  running = await startSystem()
  stranger = running.stranger
})
afterAll(() => running?.[Symbol.asyncDispose]())

const isTime = expect.stringMatching(RFC3339_UTC)
const nobody = () => ({ required_capabilities: [unique('nobody')] })

describe('task.status', () => {
  test('of a task that waits', async () => {
    const id = await stranger.submit(nobody())
    expect(await stranger.status(id)).toEqual({
      task_id: id,
      status: 'pending',
      pool_name: null,
      attempt: 0,
      submitted_at: isTime,
      started_at: null,
      finished_at: null,
    })
  })

  test('of a task that runs, and of one that has ended', async () => {
    const open = gate()
    await using pool = await stranger.own({
      handler: (work) => open.opened.then(() => completed(work, {})),
    })
    const id = await stranger.submit(pool.task)
    await until(() => pool.received.length === 1)
    const whileRunning = await stranger.status(id)
    expect(whileRunning).toMatchObject({
      task_id: id,
      status: 'running',
      pool_name: pool.name,
      attempt: 1,
      submitted_at: isTime,
      started_at: isTime,
      finished_at: null,
    })
    open.open()
    await stranger.resultOf(id)
    expect(await stranger.status(id)).toMatchObject({
      task_id: id,
      status: 'completed',
      pool_name: pool.name,
      attempt: 1,
      submitted_at: whileRunning['submitted_at'],
      started_at: whileRunning['started_at'],
      finished_at: isTime,
    })
  })

  test('of a task of a batch that is half done', async () => {
    const open = gate()
    await using pool = await stranger.own({
      handler: async (work) => {
        if (work.task.payload['wait']) await open.opened
        return completed(work, {})
      },
    })
    const batch = unique('batch')
    const tasks = [{ wait: false }, { wait: true }].map((payload) => ({
      task_type: 'x',
      payload,
      ...pool.task,
    }))
    await stranger.store(`task.submitted.normal.${batch}`, tasks)
    await stranger.resultOf(`${batch}-0`)
    expect(await stranger.status(`${batch}-0`)).toMatchObject({ status: 'completed' })
    await stranger.untilStatus(`${batch}-1`, 'running')
    open.open()
    await stranger.resultOf(`${batch}-1`)
    expect(await stranger.status(`${batch}-1`)).toMatchObject({ status: 'completed', finished_at: isTime })
  })

  test('of a task that nobody knows', async () => {
    const reply = await stranger.reply('task.status', { task_id: unique('never') })
    expect(reply.headers?.get('Nats-Service-Error-Code')).toBe('404')
    expect(await stranger.refusal('task.status', { task_id: unique('never') })).toMatchObject({
      code: 'NOT_FOUND',
    })
  })

  test('is there at once after the acknowledgement', async () => {
    for (let i = 0; i < 20; i++) {
      const id = await stranger.submit(nobody())
      expect(await stranger.status(id)).toMatchObject({ task_id: id, status: 'pending' })
    }
  })
})

describe('task.cancel', () => {
  test('a task that waits ends cancelled, and no pool gets it afterwards', async () => {
    const capability = unique('late')
    const id = await stranger.submit({ required_capabilities: [capability] })
    expect(await stranger.ask('task.cancel', { task_id: id, reason: 'not wanted' })).toEqual({
      task_id: id,
      cancelled: true,
      status: 'cancelled',
    })
    const result = await stranger.resultOf(id)
    expect(result).toMatchObject({
      status: 'cancelled',
      pool_name: null,
      output: null,
      metadata: { reason: 'CANCELLED' },
    })
    expect(result.error).toContain('not wanted')
    await using pool = await stranger.pool(unique('pool'), { capabilities: [capability] })
    await stranger.run({ required_capabilities: [capability] })
    expect(pool.ids()).not.toContain(id)
    expect(await stranger.status(id)).toMatchObject({ status: 'cancelled', finished_at: isTime })
  })

  test('a task that runs ends cancelled, its pool is told, and its late answer is not stored', async () => {
    const open = gate()
    await using pool = await stranger.own({
      handler: (work) => open.opened.then(() => completed(work, { late: true })),
    })
    const id = await stranger.submit(pool.task)
    await stranger.untilStatus(id, 'running')
    const before = await stranger.ask<{ late_answers?: number }>('executor.stats')
    expect(await stranger.ask('task.cancel', { task_id: id, reason: 'enough' })).toEqual({
      task_id: id,
      cancelled: true,
      status: 'cancelled',
    })
    expect(await stranger.resultOf(id)).toMatchObject({
      status: 'cancelled',
      pool_name: pool.name,
      output: null,
    })
    await until(() => pool.cancels.length > 0)
    expect(pool.cancels).toEqual([{ task_id: id, reason: 'enough' }])
    open.open()
    // Late answers are counted.
    await until(
      async () =>
        (await stranger.ask<{ late_answers?: number }>('executor.stats')).late_answers !==
        before.late_answers,
    )
    expect(await stranger.stored(id)).toMatchObject({ status: 'cancelled', output: null })
    expect(stranger.resultsOf(id)).toHaveLength(1)
  })

  test('a task that has ended keeps the status it has', async () => {
    await using pool = await stranger.own()
    const id = await stranger.submit(pool.task)
    await stranger.resultOf(id)
    for (let i = 0; i < 2; i++)
      expect(await stranger.ask('task.cancel', { task_id: id })).toEqual({
        task_id: id,
        cancelled: false,
        status: 'completed',
      })
    expect(await stranger.ask('task.result', { task_id: id })).toMatchObject({ status: 'completed' })
  })

  test('a second cancel says that it did not do it', async () => {
    const id = await stranger.submit(nobody())
    expect(await stranger.ask('task.cancel', { task_id: id })).toMatchObject({ cancelled: true })
    expect(await stranger.ask('task.cancel', { task_id: id })).toEqual({
      task_id: id,
      cancelled: false,
      status: 'cancelled',
    })
    await stranger.resultOf(id)
    expect(stranger.resultsOf(id)).toHaveLength(1)
  })

  test('a task for later is cancelled before it begins', async () => {
    await using pool = await stranger.own()
    for (const ms of [5_000, 3_600_000]) {
      const id = await stranger.submit({ ...pool.task, not_before: new Date(Date.now() + ms).toISOString() })
      expect(await stranger.ask('task.cancel', { task_id: id })).toMatchObject({ cancelled: true })
      expect(await stranger.resultOf(id)).toMatchObject({ status: 'cancelled' })
    }
    expect(pool.received).toHaveLength(0)
  })

  test('one task of a batch is cancelled, the others end as they would', async () => {
    const open = gate()
    await using pool = await stranger.own({
      maxWorkers: 1,
      handler: (work) => open.opened.then(() => completed(work, {})),
    })
    const batch = unique('batch')
    await stranger.store(
      `task.submitted.normal.${batch}`,
      [1, 2, 3].map(() => ({ task_type: 'x', payload: {}, ...pool.task })),
    )
    await until(() => pool.received.length === 1)
    expect(await stranger.ask('task.cancel', { task_id: `${batch}-2` })).toEqual({
      task_id: `${batch}-2`,
      cancelled: true,
      status: 'cancelled',
    })
    open.open()
    expect(await stranger.resultOf(`${batch}-0`)).toMatchObject({ status: 'completed' })
    expect(await stranger.resultOf(`${batch}-1`)).toMatchObject({ status: 'completed' })
    expect(await stranger.resultOf(`${batch}-2`)).toMatchObject({ status: 'cancelled' })
    expect(pool.received).toHaveLength(2)
  })

  test('cancel at once after the acknowledgement, many times: each task ends once, as the reply says', async () => {
    await using pool = await stranger.own()
    const replies = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const id = await stranger.submit(pool.task)
        return await stranger.ask<{ task_id: string; cancelled: boolean; status: string }>('task.cancel', {
          task_id: id,
        })
      }),
    )
    for (const { task_id, cancelled, status } of replies) {
      expect(cancelled).toBe(status === 'cancelled')
      expect(await stranger.resultOf(task_id)).toMatchObject({ status })
    }
    await stranger.run(pool.task)
    for (const { task_id } of replies) expect(stranger.resultsOf(task_id)).toHaveLength(1)
  })

  test('a task that nobody knows, and no id', async () => {
    expect(await stranger.refusal('task.cancel', { task_id: unique('never') })).toMatchObject({
      code: 'NOT_FOUND',
    })
    expect(await stranger.refusal('task.cancel', { reason: 'x' })).toMatchObject({ code: 'INVALID_INPUT' })
  })
})

describe('task.explain', () => {
  test('of a task that is not submitted: what would be chosen, and nothing happens', async () => {
    const capability = unique('cap')
    const task = { required_capabilities: [capability] }
    const capabilities = [capability]
    await using idle = await stranger.pool(unique('idle'), { capabilities })
    await using busy = await stranger.pool(unique('busy'), {
      capabilities,
      descriptor: { current_workers: 9 },
    })
    await using sick = await stranger.pool(unique('sick'), {
      capabilities,
      descriptor: { health_status: 'unavailable' },
    })
    await stranger.fitting(task, [idle.name, busy.name])
    const task_id = unique('asked')
    const reply = await stranger.explain({ task_id, task_type: 'x', payload: {}, ...task })
    expect(reply).toMatchObject({ task_id, strategy: 'least_loaded', chosen: idle.name, waiting_for: null })
    const verdicts = new Map(reply.candidates.map((candidate) => [candidate.pool, candidate]))
    expect(verdicts.get(idle.name)).toMatchObject({ verdict: 'chosen', reason: expect.stringMatching(/./) })
    expect(verdicts.get(busy.name)).toMatchObject({ verdict: 'fits', reason: expect.stringMatching(/./) })
    expect(verdicts.get(sick.name)).toMatchObject({
      verdict: 'unavailable',
      reason: expect.stringMatching(/./),
    })
    for (const candidate of reply.candidates)
      expect(candidate.score === null || typeof candidate.score === 'number').toBe(true)
    expect(reply.candidates[0]?.pool).toBe(idle.name)
    expect(idle.received).toHaveLength(0)
    expect(await stranger.refusal('task.status', { task_id })).toMatchObject({ code: 'NOT_FOUND' })
  })

  test.each(['least_loaded', 'round_robin', 'capability_based', 'region_aware', 'affinity'])(
    'says the strategy %s',
    async (routing_strategy) => {
      await using pool = await stranger.own()
      const question = { task_type: 'x', payload: {}, ...pool.task, routing_strategy }
      expect(await stranger.explain(question)).toMatchObject({
        strategy: routing_strategy,
        chosen: pool.name,
      })
    },
  )

  test('why a task is still queued: nobody has the capability', async () => {
    const task = nobody()
    const id = await stranger.submit(task)
    const reply = await stranger.explain({ task_id: id })
    expect(reply).toMatchObject({ task_id: id, status: 'pending', chosen: null })
    expect(reply.waiting_for).toContain(task.required_capabilities[0])
  })

  test('why a task is still queued: the pool that it names is not there', async () => {
    const pool = unique('absent')
    const id = await stranger.submit({ pool })
    const reply = await stranger.explain({ task_id: id })
    expect(reply).toMatchObject({ status: 'pending', chosen: null })
    expect(reply.waiting_for).toContain(pool)
  })

  test('why a task is still queued: all that fit are full', async () => {
    const open = gate()
    await using pool = await stranger.own({
      maxWorkers: 1,
      handler: (work) => open.opened.then(() => completed(work, {})),
    })
    const first = await stranger.submit(pool.task)
    await until(() => pool.received.length === 1)
    const second = await stranger.submit(pool.task)
    const reply = await stranger.explain({ task_id: second })
    expect(reply).toMatchObject({
      status: 'pending',
      chosen: null,
      waiting_for: expect.stringMatching(/full|slot/),
    })
    expect(reply.candidates.find((candidate) => candidate.pool === pool.name)).toMatchObject({
      verdict: 'full',
    })
    expect(await stranger.explain({ task_id: first })).toMatchObject({
      status: 'running',
      chosen: pool.name,
      waiting_for: null,
    })
    open.open()
    await stranger.resultOf(second)
    expect(await stranger.explain({ task_id: second })).toMatchObject({
      task_id: second,
      status: 'completed',
      chosen: pool.name,
    })
  })

  test('why a task is still queued: its time has not come', async () => {
    await using pool = await stranger.own()
    const not_before = new Date(Date.now() + 8_000).toISOString()
    const id = await stranger.submit({ ...pool.task, not_before })
    const reply = await until(async () => {
      const explained = await stranger.explain({ task_id: id })
      return explained.waiting_for && explained
    })
    expect(reply).toMatchObject({ status: 'pending', waiting_for: expect.stringContaining('not_before') })
    await stranger.ask('task.cancel', { task_id: id })
  })

  test('the best 50 candidates of many, and counts by reason of all', async () => {
    const capability = unique('crowd')
    const descriptor = (i: number) => ({
      name: `${capability}_${i}`,
      pool_type: 'nats',
      capabilities: [capability],
      max_workers: 100,
      current_workers: i,
      health_status: i < 60 ? 'healthy' : 'unavailable',
    })
    const names = await Promise.all(
      Array.from(
        { length: 70 },
        async (_, i) => (await stranger.ask('pool.register', descriptor(i)))['name'] as string,
      ),
    )
    const question = { task_type: 'x', payload: {}, required_capabilities: [capability] }
    const reply = await until(async () => {
      const explained = await stranger.explain(question)
      const counted = Object.values(explained.counts).reduce((sum, n) => sum + n, 0)
      return counted >= 70 && explained
    })
    expect(reply.candidates).toHaveLength(50)
    expect(reply.candidates.map(({ pool }) => pool)).toEqual(
      Array.from({ length: 50 }, (_, i) => `${capability}_${i}`),
    )
    await Promise.all(names.map((name) => stranger.ask('pool.deregister', { name })))
  })

  test('neither an id nor a task, and a task that is not valid', async () => {
    expect(await stranger.refusal('task.explain', {})).toMatchObject({ code: 'INVALID_INPUT' })
    expect(await stranger.refusal('task.explain', { task_id: unique('never') })).toMatchObject({
      code: 'NOT_FOUND',
    })
    expect(await stranger.refusal('task.explain', { task_type: 'x', payload: {}, timeout: 0 })).toMatchObject(
      {
        code: 'INVALID_INPUT',
        issues: [{ path: 'timeout' }],
      },
    )
  })
})
