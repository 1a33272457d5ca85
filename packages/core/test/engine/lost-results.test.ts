// What an executor makes of results that it had stored and that the broker's machine has lost with its power.
import type { DistributedTask, DistributedTaskResult } from '@poolmesh/types'
import { expect, test } from 'vitest'
import { type Batch, PoolTable, type Run, TaskEngine } from '../../src/index.ts'

const task = (id: string): DistributedTask => ({
  task_id: id,
  task_type: 'test',
  payload: {},
  required_capabilities: [],
  routing_strategy: 'least_loaded',
  timeout: 60,
  queue_timeout: 60,
  priority: 5,
  max_attempts: 1,
  idempotent: false,
  metadata: {},
})

test('a batch is not closed before results that are stored no more are there again', () => {
  const sent: Run[] = []
  const closed: string[] = []
  let writing: { batch: Batch<null>; results: DistributedTaskResult[] } | null = null
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
  const engine = new TaskEngine<null>(
    table,
    {
      dispatch: (run) => void sent.push(run),
      cancel: () => {},
      append: (batch, results) => {
        writing = { batch, results }
        return results.length
      },
      close: ({ id }) => void closed.push(id),
      park: () => {},
      retrieve: () => {},
      report: () => {},
      freed: () => {},
      schedule: () => {},
    },
    { windowTasks: 100, windowBytes: 1e6, now: () => 1_000_000, random: () => 0.5 },
  )
  const completes = (
    id: string,
    attempt: number,
  ): { batch: Batch<null>; results: DistributedTaskResult[] } => {
    engine.answer('p', id, attempt, { kind: 'answer', answer: { task_id: id, status: 'completed' } })
    engine.flush()
    if (!writing) throw new Error('nothing is written')
    return writing
  }
  engine.accept({
    id: 'b',
    handle: null,
    lane: 'normal',
    tasks: [task('b-0'), task('b-1')],
    failed: [],
    submittedAt: 1_000_000,
    bytes: 1,
    stored: [],
    lastSequence: 0,
    handedOver: false,
  })
  engine.pump()
  engine.appended(completes('b-0', 1).batch, 7)
  // The write names 7, which is lost, and so it is refused.
  const { batch } = completes('b-1', 1)
  engine.reconcile(batch, [], 0)
  expect(writing).toMatchObject({ batch: { lastSequence: 0 }, results: [{ task_id: 'b-1' }] })
  engine.appended(batch, 8)
  expect(closed).toEqual([])
  engine.pump()
  expect(sent.map(({ entry, attempt }) => `${entry.task.task_id}/${attempt}`)).toEqual([
    'b-0/1',
    'b-1/1',
    'b-0/2',
  ])
  engine.appended(completes('b-0', 2).batch, 9)
  expect(closed).toEqual(['b'])
})
