// Pools that are HTTP servers do the same job as pools on the bus.
import { HttpPool, type HttpPoolOptions, until } from '@poolmesh/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Executors } from './executors.ts'
import { gate, type RunningSystem, type Stranger, startSystem, unique } from './harness.ts'

let running: RunningSystem
let executors: Executors
const stranger = (): Stranger => running.stranger

beforeAll(async () => {
  running = await startSystem({}, undefined, ['registry', 'distributor', 'health-monitor'])
  executors = new Executors(stranger())
  await executors.start()
})
afterAll(async () => {
  await executors[Symbol.asyncDispose]()
  await running[Symbol.asyncDispose]()
})

/** An HTTP pool that is registered, with a capability that it shares with those of the same name. */
async function http(capability: string, options: HttpPoolOptions, fields: object = {}) {
  const server = await HttpPool.start(options)
  const name = unique('http')
  await stranger().ask('pool.register', {
    name,
    pool_type: 'mahavishnu',
    endpoint: server.endpoint,
    capabilities: [capability],
    ...fields,
  })
  const task = { required_capabilities: [capability] }
  await stranger().fitting({ ...task, pool: name }, [name])
  return Object.assign(server, { poolName: name, task })
}

for (const mode of ['sync', 'async'] as const)
  test(`tasks are routed to a pool that answers ${mode}, run once each, and never more than its workers`, async () => {
    let peak = 0
    await using pool = await http(
      unique('cap'),
      {
        mode,
        handler: async ({ task }) => {
          peak = Math.max(peak, pool.running)
          await new Promise((resolve) => setImmediate(resolve))
          return { got: task.payload['n'] }
        },
      },
      { max_workers: 3 },
    )
    const ids = await Promise.all(
      Array.from({ length: 12 }, (_, n) => stranger().submit({ ...pool.task, payload: { n } })),
    )
    for (const [n, id] of ids.entries())
      expect(await stranger().resultOf(id)).toMatchObject({
        status: 'completed',
        pool_name: pool.poolName,
        output: { got: n },
        metadata: { attempts: 1 },
      })
    expect(pool.received.map(({ task }) => task.task_id).sort()).toEqual([...ids].sort())
    expect(peak).toBeLessThanOrEqual(3)
  })

test('what fails in one is tried again in another, and the way is told', async () => {
  const capability = unique('cap')
  await using bad = await http(capability, { mode: 'sync', fault: () => 'wrong_type' })
  const first = await stranger().submit({ ...bad.task, max_attempts: 2, pool: bad.poolName })
  expect(await stranger().resultOf(first)).toMatchObject({
    status: 'failed',
    metadata: { attempts: 2, reason: 'INVALID_RESULT' },
  })
  const waiting = await stranger().submit({ ...bad.task, max_attempts: 20 })
  await until(() => bad.received.length > 2)
  await using good = await http(capability, { mode: 'async' })
  expect(await stranger().resultOf(waiting)).toMatchObject({
    status: 'completed',
    pool_name: good.poolName,
    metadata: { history: expect.arrayContaining([expect.objectContaining({ reason: 'INVALID_RESULT' })]) },
  })
})

test('a pool that no task can be sent to gets none, and explain says why', async () => {
  const capability = unique('cap')
  const name = unique('kube')
  await stranger().ask('pool.register', {
    name,
    pool_type: 'kubernetes',
    endpoint: 'http://127.0.0.1:1',
    capabilities: [capability],
  })
  const task = { task_type: 'test', payload: {}, required_capabilities: [capability] }
  const candidate = await until(async () =>
    (await stranger().explain(task)).candidates.find(({ pool }) => pool === name),
  )
  expect(candidate).toMatchObject({
    verdict: 'unavailable',
    reason: expect.stringContaining('metadata.kubernetes'),
  })
  await using pool = await http(capability, { mode: 'sync' })
  expect(await stranger().run(task)).toMatchObject({ pool_name: pool.poolName, metadata: { attempts: 1 } })
  const { candidates } = await stranger().explain(task)
  expect(candidates[0]).toMatchObject({ pool: pool.poolName, cancel: 'acknowledged', output: true })
})

test('a refusal is no attempt', async () => {
  let times = 0
  await using pool = await http(unique('cap'), {
    mode: 'sync',
    retryAfter: 0,
    fault: () => (times++ === 0 ? 'busy_429' : null),
  })
  expect(await stranger().run(pool.task)).toMatchObject({
    status: 'completed',
    metadata: { attempts: 1, history: [{ reason: 'POOL_REFUSED' }] },
  })
})

test('a pool that never answers times out, and is told', async () => {
  await using pool = await http(unique('cap'), { mode: 'sync', fault: () => 'never' })
  const id = await stranger().submit({ ...pool.task, timeout: 1 })
  expect(await stranger().resultOf(id)).toMatchObject({
    status: 'timeout',
    metadata: { reason: 'RUN_TIMEOUT' },
  })
  await until(() => pool.cancelled.includes(id))
})

test('an answer that comes after the timeout changes nothing, and the slot is free for the next task', async () => {
  const late = new Set<string>()
  await using pool = await http(
    unique('cap'),
    { mode: 'sync', fault: ({ task }) => (late.has(task.task_id) ? 'late' : null) },
    { max_workers: 1 },
  )
  const id = unique('t')
  late.add(id)
  await stranger().submit({ ...pool.task, task_id: id, timeout: 1 })
  expect(await stranger().resultOf(id)).toMatchObject({ status: 'timeout' })
  await until(() => pool.late.includes(id))
  expect(await stranger().run(pool.task)).toMatchObject({ status: 'completed', pool_name: pool.poolName })
  expect(stranger().resultsOf(id)).toHaveLength(1)
  expect(await stranger().resultFrom(id)).toMatchObject({ status: 'timeout' })
})

test('a pool that takes twice as long each time is waited for until the timeout, and no longer', async () => {
  await using pool = await http(unique('cap'), { mode: 'sync', fault: () => 'twice_as_slow' })
  const statuses: string[] = []
  while (statuses.at(-1) !== 'timeout')
    statuses.push((await stranger().run({ ...pool.task, timeout: 1 })).status)
  expect(statuses.length).toBeGreaterThan(3)
  expect(new Set(statuses.slice(0, -1))).toEqual(new Set(['completed']))
})

test('cancelled while it runs: the pool is told, the slot is free once it says so, and the result says what it did', async () => {
  const held = gate()
  await using pool = await http(
    unique('cap'),
    { mode: 'async', handler: ({ task }) => (task.payload['hold'] ? held.opened : {}) },
    { max_workers: 1 },
  )
  const id = await stranger().submit({ ...pool.task, payload: { hold: true } })
  await until(() => pool.running === 1)
  const next = await stranger().submit(pool.task)
  expect(await stranger().ask('task.cancel', { task_id: id })).toMatchObject({ cancelled: true })
  expect(await stranger().resultOf(id)).toMatchObject({
    status: 'cancelled',
    metadata: { cancel: 'acknowledged' },
  })
  expect(await stranger().resultOf(next)).toMatchObject({ status: 'completed' })
  expect(pool.cancelled).toEqual([id])
  held.open()
})

test('a pool that is killed loses no task and costs no attempt: another runs it', async () => {
  const capability = unique('cap')
  const dying = await http(capability, { mode: 'async', handler: () => new Promise(() => {}) })
  const id = await stranger().submit({ ...dying.task })
  await until(() => dying.running === 1)
  await dying.kill()
  await using other = await http(capability, { mode: 'sync', handler: () => ({ saved: true }) })
  expect(await stranger().resultOf(id)).toMatchObject({
    status: 'completed',
    pool_name: other.poolName,
    output: { saved: true },
    metadata: { attempts: 1 },
  })
})

for (const standby of [true, false])
  test(`the executor is killed, ${standby ? 'another takes over' : 'another comes later'}: what runs is adopted and begun once`, async () => {
    const held = gate()
    await using pool = await http(unique('cap'), {
      mode: 'async',
      handler: () => held.opened.then(() => ({ done: true })),
    })
    if (standby) await executors.standBy()
    const ids = await Promise.all(Array.from({ length: 5 }, () => stranger().submit(pool.task)))
    await until(() => pool.running === 5)
    if (!standby)
      await until(async () => {
        const message = await stranger()
          .jsm.direct.getMessage('KV_EXECUTORS', { last_by_subj: '$KV.EXECUTORS.runs' })
          .catch(() => null)
        return ids.every((id) => message?.string().includes(id))
      }, 'the runs to be written down')
    await executors.killDispatcher()
    if (!standby) await executors.start()
    await executors.dispatcher()
    const asked = pool.asked.length
    await until(() => ids.every((id) => pool.asked.slice(asked).includes(id)), 'all to be asked for')
    held.open()
    for (const id of ids)
      expect(await stranger().resultOf(id)).toMatchObject({ status: 'completed', output: { done: true } })
    expect(pool.received).toHaveLength(5)
    expect(pool.cancelled).toEqual([])
  })
