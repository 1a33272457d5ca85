// Contract, "Fan-out".
import { until } from '@poolmesh/testkit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  completed,
  type FanOutOutput,
  failed,
  gate,
  type Json,
  type PlainPool,
  type Result,
  type RunningSystem,
  type Stranger,
  startSystem,
  unique,
  type Work,
} from './harness.ts'

let running: RunningSystem
let stranger: Stranger
beforeAll(async () => {
  running = await startSystem()
  stranger = running.stranger
})
afterAll(() => running?.[Symbol.asyncDispose]())

interface Crowd extends AsyncDisposable {
  pools: PlainPool[]
  names: string[]
  capability: string
}

/** Pools with one capability that nobody else has, one for each handler. */
async function crowd(handlers: ((work: Work, pool: PlainPool) => unknown)[]): Promise<Crowd> {
  const capability = unique('crowd')
  const pools = await Promise.all(
    handlers.map((handler, i) =>
      stranger.pool(`${capability}_${i}`, { capabilities: [capability], handler }),
    ),
  )
  const names = pools.map((pool) => pool.name)
  await stranger.fitting({ required_capabilities: [capability] }, names)
  return {
    pools,
    names,
    capability,
    async [Symbol.asyncDispose]() {
      await Promise.all(pools.map((pool) => pool[Symbol.asyncDispose]()))
    },
  }
}

const succeed = (output: Json) => (work: Work) => completed(work, output)
const fail = (error: string) => (work: Work) => failed(work, error)
const never = () => new Promise(() => {})

const outputOf = (result: Result): FanOutOutput => result.output as unknown as FanOutOutput
const branchOf = (result: Result, pool: string): Result =>
  outputOf(result).branches.find((branch) => branch.pool_name === pool) as Result
const statuses = (result: Result): string[] => outputOf(result).branches.map((branch) => branch.status)
const fanOut = (pools: string[] | 'all', aggregation: string, more: Json = {}): Json => ({
  fan_out: { pools, aggregation, ...more },
})

describe('first_success', () => {
  test('ends at the first success, and the rest is cancelled', async () => {
    await using group = await crowd([never, succeed({ won: true }), never])
    const result = await stranger.run(fanOut(group.names, 'first_success'))
    expect(result).toMatchObject({ status: 'completed', output: { aggregation: 'first_success' } })
    expect(outputOf(result).decided_by).toEqual([group.names[1]])
    expect(outputOf(result).branches).toHaveLength(3)
    expect(branchOf(result, group.names[1]!)).toMatchObject({ status: 'completed', output: { won: true } })
    for (const i of [0, 2]) {
      const pool = group.pools[i] as PlainPool
      expect(branchOf(result, pool.name)).toMatchObject({ status: 'cancelled' })
      // A branch that had begun is stopped in its pool.
      const id = pool.ids()[0]
      if (id) await until(() => pool.cancels.some((cancel) => cancel.task_id === id))
    }
  })

  test('a failure is not the end while another may succeed', async () => {
    const open = gate()
    await using group = await crowd([
      fail('no'),
      (work) => open.opened.then(() => completed(work, { ok: 1 })),
    ])
    const id = await stranger.submit(fanOut(group.names, 'first_success'))
    await until(() => group.pools.every((pool) => pool.received.length === 1))
    expect(await stranger.status(id)).toMatchObject({ task_id: id, status: 'running' })
    open.open()
    const result = await stranger.resultOf(id)
    expect(result).toMatchObject({ status: 'completed' })
    expect(statuses(result)).toEqual(['failed', 'completed'])
    expect(branchOf(result, group.names[0]!)).toMatchObject({ error: 'no' })
  })

  test('without any success it is failed, and every branch says why', async () => {
    await using group = await crowd([fail('one'), fail('two')])
    const result = await stranger.run(fanOut(group.names, 'first_success'))
    expect(result).toMatchObject({
      status: 'failed',
      error: expect.stringMatching(/./),
      output: { aggregation: 'first_success' },
    })
    expect(outputOf(result).branches.map((branch) => branch.error)).toEqual(['one', 'two'])
  })
})

describe('all_success', () => {
  test('is completed when all are, with every branch’s own outcome', async () => {
    await using group = await crowd([succeed({ n: 1 }), succeed({ n: 2 }), succeed({ n: 3 })])
    const result = await stranger.run({ ...fanOut(group.names, 'all_success'), payload: { same: 'for all' } })
    expect(result).toMatchObject({ status: 'completed', error: null, output: { aggregation: 'all_success' } })
    expect(outputOf(result).branches.map((branch) => branch.output)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
    for (const [i, branch] of outputOf(result).branches.entries())
      expect(branch).toMatchObject({
        pool_name: group.names[i],
        status: 'completed',
        error: null,
        duration: expect.any(Number),
        metadata: expect.any(Object),
      })
    for (const pool of group.pools)
      expect(pool.received.map((work) => work.task.payload)).toEqual([{ same: 'for all' }])
  })

  test('waits for all, also when one has failed', async () => {
    const open = gate()
    await using group = await crowd([
      fail('early'),
      (work) => open.opened.then(() => completed(work, { n: 2 })),
    ])
    const id = await stranger.submit(fanOut(group.names, 'all_success'))
    await until(() => group.pools.every((pool) => pool.received.length === 1))
    await stranger.run(fanOut([group.names[0]!], 'first_success'))
    expect(stranger.resultsOf(id)).toHaveLength(0)
    open.open()
    const result = await stranger.resultOf(id)
    expect(result.status).toBe('failed')
    expect(statuses(result)).toEqual(['failed', 'completed'])
    expect(branchOf(result, group.names[1]!)).toMatchObject({ output: { n: 2 } })
  })
})

describe('majority', () => {
  test('groups by equal canonical JSON: the order of keys does not matter', async () => {
    await using group = await crowd([
      succeed({ a: 1, b: { c: 2, d: 3 } }),
      succeed({ b: { d: 3, c: 2 }, a: 1.0 }),
      succeed({ a: 2 }),
    ])
    const result = await stranger.run(fanOut(group.names, 'majority'))
    expect(result).toMatchObject({ status: 'completed', output: { aggregation: 'majority' } })
    expect(outputOf(result).decided_by).toEqual([group.names[0], group.names[1]])
  })

  test('ends as soon as one group has more than half: the last one is not waited for', async () => {
    await using group = await crowd([succeed({ v: 1 }), never, succeed({ v: 1 })])
    const result = await stranger.run(fanOut(group.names, 'majority'))
    expect(result.status).toBe('completed')
    expect(statuses(result)).toEqual(['completed', 'cancelled', 'completed'])
  })

  test('is failed as soon as no group can have more than half any more', async () => {
    await using group = await crowd([succeed({ v: 1 }), succeed({ v: 2 }), fail('no'), never])
    const result = await stranger.run(fanOut(group.names, 'majority'))
    expect(result.status).toBe('failed')
    expect(statuses(result)).toEqual(['completed', 'completed', 'failed', 'cancelled'])
  })

  test('half is not more than half', async () => {
    await using group = await crowd([succeed({ v: 1 }), succeed({ v: 2 })])
    expect(await stranger.run(fanOut(group.names, 'majority'))).toMatchObject({ status: 'failed' })
  })
})

describe('quorum', () => {
  test('ends when as many as asked for have succeeded, whatever their outputs', async () => {
    await using group = await crowd([succeed({ v: 1 }), never, succeed({ v: 2 })])
    const result = await stranger.run(fanOut(group.names, 'quorum', { quorum: 2 }))
    expect(result).toMatchObject({ status: 'completed', output: { aggregation: 'quorum' } })
    expect(statuses(result)).toEqual(['completed', 'cancelled', 'completed'])
  })

  test('is failed when it cannot be reached any more', async () => {
    await using group = await crowd([fail('a'), never, fail('c')])
    expect(await stranger.run(fanOut(group.names, 'quorum', { quorum: 2 }))).toMatchObject({
      status: 'failed',
    })
  })
})

describe('pools', () => {
  test('"all" is every pool that fits what the task requires, and no other', async () => {
    await using group = await crowd([succeed({ n: 1 }), succeed({ n: 2 }), succeed({ n: 3 })])
    await using other = await stranger.own()
    const result = await stranger.run({
      ...fanOut('all', 'all_success'),
      required_capabilities: [group.capability],
    })
    expect(result.status).toBe('completed')
    expect(
      outputOf(result)
        .branches.map((branch) => branch.pool_name)
        .sort(),
    ).toEqual([...group.names].sort())
    expect(other.received).toHaveLength(0)
  })

  test('a pool that is not there is a branch that ends by its queue_timeout', async () => {
    await using group = await crowd([succeed({ n: 1 })])
    const absent = unique('absent')
    const result = await stranger.run({
      ...fanOut([group.names[0]!, absent], 'all_success'),
      queue_timeout: 1,
    })
    expect(result.status).toBe('failed')
    expect(statuses(result)).toEqual(['completed', 'timeout'])
    expect(outputOf(result).branches[1]).toMatchObject({
      error: expect.stringMatching(/./),
      metadata: { reason: 'QUEUE_TIMEOUT' },
    })
  })

  test('never more than max_parallel branches at once', async () => {
    let now = 0
    let most = 0
    const slow = async (work: Work) => {
      most = Math.max(most, ++now)
      await stranger.nc.flush()
      await stranger.nc.flush()
      now--
      return completed(work, {})
    }
    await using group = await crowd(Array.from({ length: 8 }, () => slow))
    const result = await stranger.run(fanOut(group.names, 'all_success', { max_parallel: 2 }))
    expect(result.status).toBe('completed')
    expect(outputOf(result).branches).toHaveLength(8)
    expect(most).toBeLessThanOrEqual(2)
  })

  test('ten at once when nothing else is said', async () => {
    const open = gate()
    await using group = await crowd(
      Array.from({ length: 12 }, () => (work: Work) => open.opened.then(() => completed(work, {}))),
    )
    const id = await stranger.submit(fanOut(group.names, 'all_success'))
    const begun = () => group.pools.filter((pool) => pool.received.length > 0).length
    await until(() => begun() === 10)
    // Another fan-out comes and goes; the first has still begun no more.
    await using others = await crowd([succeed({})])
    await stranger.run(fanOut(others.names, 'all_success'))
    expect(begun()).toBe(10)
    open.open()
    expect(await stranger.resultOf(id)).toMatchObject({ status: 'completed' })
    expect(begun()).toBe(12)
  })
})

describe('one task, one result', () => {
  test('task.completed tells the parent once, and no branch', async () => {
    await using group = await crowd([succeed({ n: 1 }), succeed({ n: 2 })])
    const id = await stranger.submit(fanOut(group.names, 'all_success'))
    const result = await stranger.resultOf(id)
    expect(await stranger.stored(id)).toEqual(result)
    expect(await stranger.ask('task.result', { task_id: id })).toEqual(result)
    expect(await stranger.status(id)).toMatchObject({ task_id: id, status: 'completed' })
    await stranger.run(fanOut(group.names, 'all_success'))
    expect(stranger.resultsOf(id)).toHaveLength(1)
    for (const pool of group.pools)
      for (const branch of pool.ids()) expect(stranger.resultsOf(branch)).toHaveLength(0)
  })

  test('it may be submitted to task.submitted.fanout.<id>, and be told by Poolmesh-Notify', async () => {
    await using group = await crowd([succeed({ n: 1 })])
    const id = unique('fan')
    const subject = unique('notify.fan')
    const heard = await stranger.listen<Result | Result[]>(subject)
    const task = { task_id: id, task_type: 'x', payload: {}, ...fanOut(group.names, 'all_success') }
    expect(
      await stranger.store(`task.submitted.fanout.${id}`, task, { 'Poolmesh-Notify': subject }),
    ).toMatchObject({ stream: 'TASKS' })
    expect(await stranger.resultOf(id)).toMatchObject({ status: 'completed' })
    await until(() => heard.length > 0)
    expect(heard.flat().map((result) => result.task_id)).toEqual([id])
  })

  test('in the lane of its priority it runs just the same', async () => {
    await using group = await crowd([succeed({ n: 1 })])
    const id = unique('fan')
    const task = {
      task_id: id,
      task_type: 'x',
      payload: {},
      priority: 20,
      ...fanOut(group.names, 'all_success'),
    }
    await stranger.store(`task.submitted.high.${id}`, task)
    expect(await stranger.resultOf(id)).toMatchObject({
      status: 'completed',
      output: { aggregation: 'all_success' },
    })
  })

  test('a second one with an id that has a result is not run again', async () => {
    await using group = await crowd([succeed({ n: 1 })])
    const id = await stranger.submit(fanOut(group.names, 'all_success'))
    await stranger.resultOf(id)
    await stranger.submit({ task_id: id, ...fanOut(group.names, 'all_success') })
    await stranger.run(fanOut(group.names, 'all_success'))
    await stranger.run(fanOut(group.names, 'all_success'))
    expect(group.pools[0]?.received).toHaveLength(3)
    expect(stranger.resultsOf(id)).toHaveLength(1)
  })

  test('cancelling it cancels its branches', async () => {
    await using group = await crowd([succeed({ done: true }), never, never])
    const id = await stranger.submit(fanOut(group.names, 'all_success'))
    await until(() => group.pools.every((pool) => pool.received.length === 1))
    await stranger.untilStatus(id, 'running')
    expect(await stranger.ask('task.cancel', { task_id: id, reason: 'enough' })).toMatchObject({
      task_id: id,
      cancelled: true,
      status: 'cancelled',
    })
    const result = await stranger.resultOf(id)
    expect(result).toMatchObject({ status: 'cancelled', error: expect.stringContaining('enough') })
    for (const pool of group.pools.slice(1))
      await until(() => pool.cancels.some((cancel) => cancel.task_id === pool.ids()[0]))
    expect(await stranger.ask('task.cancel', { task_id: id })).toEqual({
      task_id: id,
      cancelled: false,
      status: 'cancelled',
    })
  })

  test('cancelling it while its pools are not there', async () => {
    const id = await stranger.submit(fanOut([unique('absent'), unique('absent')], 'first_success'))
    expect(await stranger.ask('task.cancel', { task_id: id })).toMatchObject({
      cancelled: true,
      status: 'cancelled',
    })
    expect(await stranger.resultOf(id)).toMatchObject({ status: 'cancelled' })
  })
})

describe('task.distribute', () => {
  test('answers with the result itself', async () => {
    await using group = await crowd([succeed({ n: 1 }), succeed({ n: 2 })])
    const task_id = unique('fan')
    const result = await stranger.ask<Result>('task.distribute', {
      task_id,
      task_type: 'x',
      payload: {},
      ...fanOut(group.names, 'all_success'),
    })
    expect(result).toMatchObject({ task_id, status: 'completed', output: { aggregation: 'all_success' } })
    expect(outputOf(result).branches).toHaveLength(2)
    expect(await stranger.ask('task.result', { task_id })).toEqual(result)
    expect(await stranger.resultOf(task_id)).toEqual(result)
  })

  test('also with a result that is no success', async () => {
    await using group = await crowd([fail('no')])
    const result = await stranger.ask<Result>('task.distribute', {
      task_type: 'x',
      payload: {},
      ...fanOut(group.names, 'first_success'),
    })
    expect(result).toMatchObject({ status: 'failed', output: { branches: [{ error: 'no' }] } })
  })

  test.each([
    ['no fan_out', { task_type: 'x', payload: {} }],
    ['no pools', { task_type: 'x', payload: {}, fan_out: { pools: [], aggregation: 'majority' } }],
    [
      'an unknown aggregation',
      { task_type: 'x', payload: {}, fan_out: { pools: 'all', aggregation: 'loudest' } },
    ],
    [
      'a quorum of more than there are',
      { task_type: 'x', payload: {}, fan_out: { pools: ['a'], aggregation: 'quorum', quorum: 2 } },
    ],
    [
      'max_parallel 0',
      { task_type: 'x', payload: {}, fan_out: { pools: ['a'], aggregation: 'majority', max_parallel: 0 } },
    ],
    [
      'a pool name with a dot',
      { task_type: 'x', payload: {}, fan_out: { pools: ['a.b'], aggregation: 'majority' } },
    ],
    ['no task', 'not JSON'],
  ])('refuses %s', async (_, body) => {
    expect((await stranger.refusal('task.distribute', body)).code).toMatch(/^INVALID_(INPUT|JSON)$/)
    // And submitted, it is rejected.
    if (typeof body === 'string' || !('fan_out' in body)) return
    const task_id = unique('bad')
    await stranger.submit({ ...body, task_id })
    expect(await stranger.resultOf(task_id)).toMatchObject({
      status: 'failed',
      metadata: { reason: 'INVALID_INPUT' },
    })
  })
})
