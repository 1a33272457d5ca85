// What an executor makes of answers that came before their tasks did, when it takes over from another.
import type { DistributedTask } from '@poolmesh/types'
import { beforeEach, describe, expect, test } from 'vitest'
import { type Answer, type Past, PoolTable, type Run, TaskEngine } from '../../src/index.ts'

let engine: TaskEngine<null>
let sent: Run[]
let ended: { status: string; metadata: Record<string, unknown> }[]

beforeEach(() => {
  sent = []
  ended = []
  const table = new PoolTable()
  table.upsert({
    name: 'p',
    pool_type: 'nats',
    capabilities: [],
    max_workers: 2,
    current_workers: 0,
    queue_size: 0,
    health_status: 'healthy',
    region: null,
    metadata: {},
  })
  engine = new TaskEngine<null>(
    table,
    {
      dispatch: (run) => void sent.push(run),
      cancel: () => {},
      append: (_, results) => {
        ended.push(...results)
        return results.length
      },
      close: () => {},
      park: () => {},
      retrieve: () => {},
      report: () => {},
      freed: () => {},
      schedule: () => {},
    },
    { windowTasks: 100, windowBytes: 1e6, now: () => 1_000_000, random: () => 0.5 },
  )
  engine.recover()
})

const TASK: DistributedTask = {
  task_id: 't',
  task_type: 'test',
  payload: {},
  required_capabilities: [],
  routing_strategy: 'least_loaded',
  timeout: 60,
  queue_timeout: 60,
  priority: 5,
  max_attempts: 3,
  idempotent: false,
  metadata: {},
}
const said = (status: 'completed' | 'failed' | 'cancelled'): Answer => ({
  kind: 'answer',
  answer: { task_id: 't', status, output: null, error: null },
})
const past = (changes: Partial<Past> = {}): Past => ({
  runs: 1,
  over: 1,
  attempts: 0,
  losses: 0,
  history: [],
  ...changes,
})

function takeOver(): void {
  engine.accept({
    id: 't',
    handle: null,
    lane: 'normal',
    tasks: [TASK],
    failed: [],
    submittedAt: 1_000_000,
    bytes: 1,
    stored: [],
    lastSequence: 0,
    handedOver: true,
  })
  engine.recovered()
  engine.pump()
}

describe('an answer that came before its task', () => {
  test('of the run that was under way is its answer', () => {
    engine.answer('p', 't', 2, said('failed'))
    engine.adoption.past('t', past({ runs: 2, over: 1, attempts: 1 }))
    takeOver()
    expect([sent, ended]).toEqual([[], []])
    expect(engine.find('t')).toMatchObject({ attempts: 2, runs: 2, delay: 'backoff' })
  })

  test('that the predecessor has counted is not counted again', () => {
    engine.answer('p', 't', 1, said('failed'))
    engine.adoption.past(
      't',
      past({
        attempts: 1,
        history: [{ pool: 'p', reason: 'HANDLER_ERROR', at: '2026-01-01T00:00:00.000Z' }],
      }),
    )
    takeOver()
    expect(engine.find('t')).toMatchObject({ attempts: 1, runs: 2, state: 'running' })
    expect(sent).toHaveLength(1)
  })

  test('completes the task, whichever run it is of', () => {
    engine.answer('p', 't', 1, said('completed'))
    engine.adoption.past('t', past({ runs: 2, over: 2, losses: 1 }))
    takeOver()
    expect(ended).toMatchObject([{ status: 'completed' }])
  })

  test('of a pool that was told to stop does not end it: nobody may have wanted the task cancelled', () => {
    engine.answer('p', 't', 1, said('cancelled'))
    takeOver()
    expect(ended).toEqual([])
    expect(sent.map(({ attempt }) => attempt)).toEqual([2])
  })
})

test('a run that the predecessor had given up is not waited for, but keeps its slot', () => {
  engine.adoption.run('t', { pool: 'p', attempt: 1, startedAt: 999_000, certain: true })
  engine.adoption.past('t', past({ losses: 1 }))
  takeOver()
  expect(sent.map(({ attempt }) => attempt)).toEqual([2])
  expect(engine.table.get('p')?.running).toBe(2)
})

describe('a slot that a predecessor had given away stays taken', () => {
  const known = { startedAt: 999_000, certain: true }

  test('by a run whose task has ended, until the pool answers', () => {
    engine.adoption.run('ended', { pool: 'p', attempt: 3, ...known })
    takeOver()
    expect(engine.table.get('p')?.running).toBe(2)
    engine.answer('p', 'ended', 3, said('failed'))
    expect(engine.table.get('p')?.running).toBe(1)
  })

  test('by an older run of a task that runs elsewhere', () => {
    engine.adoption.run('t', { pool: 'p', attempt: 2, ...known })
    engine.adoption.run('t', { pool: 'p', attempt: 1, ...known })
    takeOver()
    expect([sent, engine.find('t')?.run?.attempt]).toEqual([[], 2])
    expect(engine.table.get('p')?.running).toBe(2)
  })

  test('by a run of a task that an answer of an older run completes', () => {
    engine.adoption.run('t', { pool: 'p', attempt: 2, ...known })
    engine.answer('p', 't', 1, said('completed'))
    takeOver()
    expect(ended).toMatchObject([{ status: 'completed' }])
    expect(engine.table.get('p')?.running).toBe(1)
  })

  test('unless it was answered meanwhile', () => {
    engine.adoption.run('t', { pool: 'p', attempt: 2, ...known })
    engine.adoption.run('t', { pool: 'p', attempt: 1, ...known })
    engine.answer('p', 't', 1, said('failed'))
    takeOver()
    expect(engine.table.get('p')?.running).toBe(1)
  })

  test('though the pool says that it runs nothing, where the run may not have reached it by then', () => {
    engine.adoption.run('old', { pool: 'p', attempt: 1, startedAt: 990_000, certain: true })
    engine.adoption.run('new', { pool: 'p', attempt: 1, startedAt: 999_500, certain: true })
    engine.recovered()
    expect(engine.table.get('p')?.running).toBe(2)
    engine.idle('p')
    expect(engine.table.get('p')?.running).toBe(1)
  })

  test('in a pool that is unavailable and may come back', () => {
    engine.adoption.run('t', { pool: 'p', attempt: 1, ...known })
    engine.table.setHealth('p', 'unavailable')
    takeOver()
    expect(engine.find('t')).toMatchObject({ losses: 1, state: 'waiting' })
    expect(engine.table.get('p')?.running).toBe(1)
  })
})

describe('a pool that another process has registered anew', () => {
  beforeEach(() => {
    engine.adoption.run('t', { pool: 'p', attempt: 1, startedAt: 999_000, certain: true })
    takeOver()
    expect(sent).toEqual([])
  })
  const again = (): number[] => {
    engine.pump()
    return sent.map(({ attempt }) => attempt)
  }

  test('has lost what it does not say to run, and the slot is free', () => {
    engine.poolReplaced('p', 1_000_000, new Set())
    expect(engine.table.get('p')?.running).toBe(0)
    expect(again()).toEqual([2])
    expect(engine.find('t')).toMatchObject({ attempts: 0, losses: 1 })
  })

  test('keeps what it says to run', () => {
    engine.poolReplaced('p', 1_000_000, new Set(['t/1']))
    expect(again()).toEqual([])
  })

  test('cannot say it: the slot stays taken', () => {
    engine.poolReplaced('p', 1_000_000, null)
    expect(engine.table.get('p')?.running).toBe(1)
    expect(again()).toEqual([2])
  })

  test('has not lost what was sent to it since', () => {
    engine.poolReplaced('p', 999_000, new Set())
    expect(again()).toEqual([])
  })
})
