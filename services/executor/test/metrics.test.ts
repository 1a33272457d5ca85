import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import type { TellMetric } from '@poolmesh/bus'
import { type EnginePorts, PoolTable, TaskEngine } from '@poolmesh/core'
import { startTestServer } from '@poolmesh/testkit'
import {
  type DistributedTask,
  type PriorityLane,
  poolDescriptorSchema,
  submittedSubject,
} from '@poolmesh/types'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Held } from '../src/held.ts'
import { executorMetrics } from '../src/metrics.ts'

let server: Awaited<ReturnType<typeof startTestServer>>
let jsm: JetStreamManager
beforeAll(async () => {
  server = await startTestServer()
  await server.topology()
  jsm = await jetstreamManager(await server.connect())
})
afterAll(() => server[Symbol.asyncDispose]())

const nothing = (): void => {}
const PORTS: EnginePorts<Held> = {
  dispatch: nothing,
  cancel: nothing,
  append: (_, results) => results.length,
  close: nothing,
  park: nothing,
  retrieve: nothing,
  report: nothing,
  freed: nothing,
  schedule: nothing,
}

function engineWith(pools: number): TaskEngine<Held> {
  const table = new PoolTable()
  for (let i = 0; i < pools; i++)
    table.upsert(
      poolDescriptorSchema.parse({
        name: `p${String(i).padStart(4, '0')}`,
        pool_type: 'nats',
        capabilities: ['work'],
        max_workers: 2,
      }),
    )
  return new TaskEngine<Held>(table, PORTS, {
    windowTasks: 100,
    windowBytes: 1e6,
    now: Date.now,
    random: Math.random,
  })
}

function accept(engine: TaskEngine<Held>, ids: string[], capability: string): void {
  const task = (task_id: string): DistributedTask => ({
    task_id,
    task_type: 'test',
    payload: {},
    required_capabilities: [capability],
    routing_strategy: 'round_robin',
    timeout: 60,
    queue_timeout: 3_600,
    priority: 5,
    max_attempts: 1,
    idempotent: false,
    metadata: {},
  })
  engine.accept({
    id: ids.join(),
    handle: null as unknown as Held,
    lane: 'normal',
    tasks: ids.map(task),
    failed: [],
    submittedAt: Date.now(),
    bytes: 100,
    stored: [],
    lastSequence: 0,
    handedOver: false,
  })
  engine.pump()
}

async function told(engine: TaskEngine<Held>, acts: boolean): Promise<Map<string, unknown>> {
  const all = new Map<string, unknown>()
  const tell: TellMetric = (name, value, labels = {}) =>
    void all.set(`${name.replace('poolmesh_executor_', '')} ${Object.values(labels).join(' ')}`.trim(), value)
  await executorMetrics({ engine, jsm, mayAct: () => acts })(tell)
  return all
}

test('ten thousand pools have so many series of their own, and are all in the sums', async () => {
  const engine = engineWith(10_000)
  accept(engine, ['a', 'b', 'c'], 'work')
  accept(engine, ['d', 'e'], 'nobody-has-this')
  engine.answer(engine.find('a')!.run!.pool.name, 'a', 1, {
    kind: 'answer',
    answer: { status: 'completed', output: {}, error: null, duration: 0, metadata: {} },
  } as never)
  const all = await told(engine, true)
  const of = (name: string) => [...all.keys()].filter((key) => key.startsWith(`${name} `))
  expect(of('pool_slots')).toHaveLength(200)
  expect(of('pool_dispatches_total')).toHaveLength(200)
  expect(all.get('pools_unnamed')).toBe(9_800)
  expect(all.get('slots')).toBe(20_000)
  expect(all.get('slots_used')).toBe(2)
  expect(all.get('tasks pending')).toBe(2)
  expect(all.get('tasks running')).toBe(2)
  expect(all.get('tasks_without_pool')).toBe(2)
  expect(all.get('tasks_ended_total completed')).toBe(1)
  expect(all.get('tasks_by_strategy_total round_robin completed')).toBe(1)
  expect(all.get('tasks_by_type_total test completed')).toBe(1)
  expect(all.get('runs_total completed')).toBe(1)
})

test('lanes and dead letters are counted in their streams, by the one that dispatches alone', async () => {
  const nc = await server.connect()
  const lane: PriorityLane = 'normal'
  await jsm.consumers.add('TASKS', {
    durable_name: `lane-${lane}-test`,
    filter_subject: `task.submitted.${lane}.*`,
    ack_policy: 'explicit',
  })
  for (const id of ['x', 'y']) await nc.request(submittedSubject(lane, id), '{}', { timeout: 5_000 })
  await nc.request('task.dead.z', '{}', { timeout: 5_000 })
  const engine = engineWith(1)
  const all = await told(engine, true)
  expect(all.get('lane_pending_messages normal')).toBe(2)
  expect(all.get('lane_pending_messages low')).toBe(0)
  expect(all.get('dead_letters')).toBe(1)
  expect(all.get('dispatching')).toBe(1)
  const standby = await told(engine, false)
  expect(standby.get('dispatching')).toBe(0)
  expect(standby.get('tasks_ended_total completed')).toBe(0)
  for (const name of standby.keys()) expect(name).not.toMatch(/^(pool|lane|slots|dead|tasks_without)/)
})
