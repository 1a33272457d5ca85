// Runs whose answer cannot come any more, and pools that say when they will take work again.
import type { DistributedTask } from '@poolmesh/types'
import { expect, test } from 'vitest'
import { PoolTable, type Run, TaskEngine } from '../../src/index.ts'

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)

const task: DistributedTask = {
  task_id: 't',
  task_type: 'test',
  payload: {},
  required_capabilities: [],
  routing_strategy: 'least_loaded',
  timeout: 60,
  queue_timeout: 3_600,
  priority: 5,
  max_attempts: 1,
  idempotent: false,
  metadata: {},
}

function running(pools: string[]) {
  const state = { now: 1_000_000, sent: [] as Run[], told: [] as string[], results: [] as object[] }
  const table = new PoolTable()
  for (const name of pools)
    table.upsert(
      {
        name,
        pool_type: 'mahavishnu',
        capabilities: [],
        max_workers: 1,
        current_workers: 0,
        queue_size: 0,
        health_status: 'healthy',
        region: null,
        metadata: {},
      },
      { cancel: 'acknowledged' },
    )
  const engine = new TaskEngine<null>(
    table,
    {
      dispatch: (run) => void state.sent.push(run),
      cancel: (pool) => void state.told.push(pool),
      append: (_batch, results) => state.results.push(...results),
      close: () => {},
      park: () => {},
      retrieve: () => {},
      report: () => {},
      freed: () => {},
      schedule: () => {},
    },
    { windowTasks: 100, windowBytes: 1e6, now: () => state.now, random: () => 0.5 },
  )
  engine.accept({
    id: 'b',
    handle: null,
    lane: 'normal',
    tasks: [task],
    failed: [],
    submittedAt: state.now,
    bytes: 100,
    stored: [],
    lastSequence: 0,
    handedOver: false,
  })
  engine.pump()
  const pass = (ms: number): void => {
    for (const end = state.now + ms; state.now < end; state.now += 25) {
      engine.tick()
      engine.pump()
    }
  }
  return Object.assign(state, { engine, table, pass })
}
const last = (runs: Run[]): Run => runs.at(-1) as Run

test('a lost run goes on elsewhere, is no attempt, and holds its slot until the pool says that it has stopped', () => {
  const { engine, table, sent, told, results } = running(['a', 'b'])
  const first = last(sent)
  engine.lost(first.pool.name, 't', 1)
  engine.pump()
  const second = last(sent)
  expect([sent.length, second.attempt]).toEqual([2, 2])
  expect(second.pool.name).not.toBe(first.pool.name)
  expect(told).toEqual([first.pool.name])
  expect(table.get(first.pool.name)?.running).toBe(1)
  engine.answer(first.pool.name, 't', 1, { kind: 'answer', answer: { status: 'cancelled' } })
  expect(table.get(first.pool.name)?.running).toBe(0)
  engine.answer(second.pool.name, 't', 2, { kind: 'answer', answer: { status: 'completed' } })
  expect(engine.counters.runs).toMatchObject({ lost: 1, completed: 1, failed: 0 })
  expect([...engine.counters.retries]).toEqual([['POOL_LOST', 1]])
  expect([first.pool.dispatches, second.pool.dispatches]).toEqual([1, 1])
  engine.flush()
  expect(results).toMatchObject([
    {
      status: 'completed',
      metadata: {
        attempts: 1,
        history: [{ pool: first.pool.name, reason: 'POOL_LOST', started_at: TIME, at: TIME }],
      },
    },
  ])
})

test('a task under which five runs are lost ends as POISON', () => {
  const { engine, sent, results, pass } = running(['a'])
  for (let attempt = 1; attempt <= 5; attempt++) {
    engine.lost('a', 't', attempt)
    engine.answer('a', 't', attempt, { kind: 'answer', answer: { status: 'cancelled' } })
    pass(6_000)
  }
  expect(sent).toHaveLength(5)
  expect(results).toMatchObject([{ status: 'failed', metadata: { reason: 'POISON' } }])
})

test('what is told of a run that is not the current one loses nothing', () => {
  const { engine, sent, told } = running(['a', 'b'])
  const { name } = last(sent).pool
  engine.lost(name, 't', 2)
  engine.lost(name === 'a' ? 'b' : 'a', 't', 1)
  engine.lost(name, 'other', 1)
  engine.pump()
  expect([sent.length, told]).toEqual([1, []])
})

test('a pool that refuses gets no work for as long as it asks', () => {
  const { engine, sent, pass } = running(['a'])
  const metadata = { reason: 'POOL_REFUSED', retry_after_ms: 20_000 }
  engine.answer('a', 't', 1, { kind: 'answer', answer: { status: 'failed', metadata } })
  pass(19_000)
  expect(sent).toHaveLength(1)
  pass(2_000)
  expect(sent).toHaveLength(2)
})

test('of a task that is cancelled while it runs the result says what that does to the run', () => {
  const { engine, results } = running(['a'])
  void engine.cancel('t', undefined)
  engine.flush()
  expect(results).toMatchObject([{ status: 'cancelled', metadata: { cancel: 'acknowledged' } }])
})

test('a pool of a kind that no task can be sent to gets none, and explain says so', () => {
  const { engine, table, sent } = running(['a', 'b'])
  const { name, descriptor } = last(sent).pool
  const other = name === 'a' ? 'b' : 'a'
  table.upsert({ ...descriptor, name: other }, { served: false })
  engine.lost(name, 't', 1)
  engine.pump()
  expect(sent).toHaveLength(1)
  const { candidates } = table.explain(
    { capabilities: [], pool: other },
    { strategy: 'least_loaded', region: null, affinityKey: 'test', preferred: [], avoid: null },
  )
  expect(candidates[0]).toMatchObject({
    pool: other,
    verdict: 'unavailable',
    reason: expect.stringContaining('kind'),
  })
})
