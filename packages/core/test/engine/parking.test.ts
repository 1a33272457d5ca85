// Storing away and bringing back never overlap for tasks that require the same: a batch whose message is not acknowledged yet
// is not taken into its lane a second time, so that its parked copy would go and then the message too.
import type { DistributedTask, PoolDescriptor } from '@poolmesh/types'
import { beforeEach, expect, test } from 'vitest'
import { type Batch, PoolTable, TaskEngine } from '../../src/index.ts'

const task = (id: string): DistributedTask => ({
  task_id: id,
  task_type: 'test',
  payload: {},
  required_capabilities: ['gpu'],
  routing_strategy: 'least_loaded',
  timeout: 60,
  queue_timeout: 60,
  priority: 5,
  max_attempts: 1,
  idempotent: false,
  metadata: {},
})
const pool = (name: string, capabilities: string[]): PoolDescriptor => ({
  name,
  pool_type: 'nats',
  capabilities,
  max_workers: 1,
  current_workers: 0,
  queue_size: 0,
  health_status: 'healthy',
  region: null,
  metadata: {},
})

let engine: TaskEngine<null>
let parked: { batch: Batch<null>; key: string }[]
let retrieved: string[]

beforeEach(() => {
  parked = []
  retrieved = []
  engine = new TaskEngine<null>(
    new PoolTable(),
    {
      dispatch: () => {},
      cancel: () => {},
      append: (_, results) => results.length,
      close: () => {},
      park: (batch, _, key) => void parked.push({ batch, key: key as string }),
      retrieve: (key) => void retrieved.push(key),
      report: () => {},
      freed: () => {},
      schedule: () => {},
    },
    { windowTasks: 4, windowBytes: 1e6, now: () => 1_000_000, random: () => 0.5 },
  )
  for (let i = 0; i < 4; i++) accept(`t${i}`)
  engine.pump()
  expect(parked).toHaveLength(2)
})

function accept(id: string): void {
  engine.accept({
    id,
    handle: null,
    lane: 'normal',
    tasks: [task(id)],
    failed: [],
    submittedAt: 1_000_000,
    bytes: 1,
    stored: [],
    lastSequence: 0,
    handedOver: false,
  })
}

function stored(): void {
  const { batch, key } = parked.shift() as { batch: Batch<null>; key: string }
  engine.parking.parked(batch, key, true)
}

test('nothing is brought back before all that is being stored away is there', () => {
  stored()
  engine.table.upsert(pool('p', ['gpu']))
  expect(retrieved).toEqual([])
  stored()
  expect(retrieved).toHaveLength(1)
})

test('nothing is stored away while some of it is being brought back', () => {
  stored()
  stored()
  engine.table.upsert(pool('p', ['gpu']))
  expect(retrieved).toHaveLength(1)
  engine.table.remove('p')
  for (let i = 4; engine.room('normal') > 0; i++) accept(`t${i}`)
  engine.pump()
  expect(parked).toEqual([])
  engine.parking.retrieved(retrieved[0] as string, 1)
  engine.pump()
  expect(parked).not.toEqual([])
})
