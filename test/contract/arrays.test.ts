// Pools that take arrays, in any language: what they get for what was submitted, in whatever form.
import { definePool } from '@poolmesh/worker'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Json, type RunningSystem, type Stranger, startSystem, unique } from './harness.ts'

let running: RunningSystem
let stranger: Stranger
beforeAll(async () => {
  running = await startSystem()
  stranger = running.stranger
})
afterAll(() => running?.[Symbol.asyncDispose]())

const DEFAULTS = {
  timeout: 300,
  priority: 5,
  metadata: {},
  queue_timeout: 300,
  max_attempts: 1,
  idempotent: false,
}

/** A pool that takes arrays, and the items that it got. */
async function arrayPool(poolmesh: Json): Promise<AsyncDisposable & { capability: string; items: Json[] }> {
  const name = unique('arrays')
  const capability = unique('cap')
  const helper = await stranger.pool(unique('helper'))
  const items: Json[] = []
  helper.nc.subscribe(`pool.work.${name}`, {
    queue: name,
    callback: (_, message) => {
      const work = message.json<Json[]>()
      items.push(...work)
      const answers = work.map(({ attempt, task_id, task }) => ({
        attempt,
        task_id: task_id ?? (task as Json)['task_id'],
        status: 'completed',
        output: {},
      }))
      message.respond(JSON.stringify(answers))
    },
  })
  await helper.nc.flush()
  const descriptor = { name, pool_type: 'nats', capabilities: [capability], metadata: { poolmesh } }
  await stranger.ask('pool.register', descriptor)
  return {
    capability,
    items,
    async [Symbol.asyncDispose]() {
      await stranger.ask('pool.deregister', { name })
      await helper[Symbol.asyncDispose]()
    },
  }
}

/** The same three tasks in the forms that a message may have. */
const FORMS: [string, (tasks: Json[]) => string][] = [
  ['in one line', (tasks) => JSON.stringify(tasks)],
  ['in a line each', (tasks) => `[${tasks.map((task) => JSON.stringify(task)).join(',\n')}]`],
  ['indented', (tasks) => JSON.stringify(tasks, null, 2)],
]

const tasksFor = (capability: string): Json[] =>
  ['a', 'b "\n', 'ç'].map((text) => ({
    task_type: 'x',
    payload: { text },
    required_capabilities: [capability],
    extra: text,
  }))

async function submitted(form: (tasks: Json[]) => string, tasks: Json[]): Promise<string> {
  const batch = unique('batch')
  await stranger.store(`task.submitted.normal.${batch}`, form(tasks))
  for (let i = 0; i < tasks.length; i++)
    expect(await stranger.resultOf(`${batch}-${i}`)).toMatchObject({ status: 'completed' })
  return batch
}

test.each(FORMS)('a batch %s: the pool gets each task whole, with its deadline', async (_, form) => {
  await using pool = await arrayPool({ batch: true })
  const tasks = tasksFor(pool.capability)
  const batch = await submitted(form, tasks)
  const expected = tasks.map((task, i) => ({
    attempt: 1,
    deadline: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    task: { ...DEFAULTS, routing_strategy: 'least_loaded', ...task, task_id: `${batch}-${i}` },
  }))
  expect(pool.items).toHaveLength(3)
  expect(pool.items).toEqual(expect.arrayContaining(expected))
})

test.each(FORMS)('a batch %s: a pool that fills in defaults gets ids beside the tasks', async (_, form) => {
  await using pool = await arrayPool({ batch: true, raw: true })
  const tasks = tasksFor(pool.capability)
  const batch = await submitted(form, tasks)
  const expected = tasks.map((task, i) => ({
    attempt: 1,
    task_id: `${batch}-${i}`,
    task: expect.objectContaining(task),
  }))
  expect(pool.items).toHaveLength(3)
  expect(pool.items).toEqual(expect.arrayContaining(expected))
})

test.each(FORMS)('a batch %s: a handler of the worker package has all of each task', async (_, form) => {
  const capability = unique('cap')
  const got: unknown[] = []
  const pool = definePool({
    name: unique('handlers'),
    capabilities: [capability],
    maxWorkers: 4,
    handler: (task) => void got.push(task),
  })
  await using _running = await pool.start({ servers: stranger.url })
  const tasks = tasksFor(capability)
  const batch = await submitted(form, tasks)
  const expected = tasks.map((task, i) => ({
    ...DEFAULTS,
    routing_strategy: 'least_loaded',
    ...task,
    task_id: `${batch}-${i}`,
  }))
  expect(got).toHaveLength(3)
  expect(got).toEqual(expect.arrayContaining(expected))
})
