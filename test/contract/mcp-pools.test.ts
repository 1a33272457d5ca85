// Pools that are MCP servers do the same job as pools on the bus.
import { type McpServerOptions, McpTestServer, until } from '@poolmesh/testkit'
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

/** An MCP pool that is registered, with a capability that it shares with those of the same name. */
async function mcp(capability: string, options: McpServerOptions, fields: object = {}) {
  const server = await McpTestServer.start(options)
  const name = unique('mcp')
  await stranger().ask('pool.register', {
    name,
    pool_type: options.kind,
    endpoint: server.endpoint,
    capabilities: [capability],
    metadata: { mcp: { pool_id: 'default' } },
    ...fields,
  })
  const task = { required_capabilities: [capability], payload: { prompt: 'say hello' } }
  await stranger().fitting({ ...task, pool: name }, [name])
  return Object.assign(server, { poolName: name, task })
}

test('a Session-Buddy pool runs tasks, and the result says that a text is all it gave', async () => {
  await using pool = await mcp(unique('cap'), { kind: 'session_buddy' })
  const { candidates } = await stranger().explain({ task_type: 'test', ...pool.task })
  expect(candidates[0]).toMatchObject({ pool: pool.poolName, output: false })
  expect(await stranger().run(pool.task)).toMatchObject({
    status: 'completed',
    pool_name: pool.poolName,
    output: { text: expect.stringContaining('✅ Task executed on pool default') },
    metadata: { attempts: 1, mcp: { tool: 'execute_on_pool', output: 'text' } },
  })
})

test('how far a run is, as its server tells it, is told on pool.progress.<name>', async () => {
  const held = gate()
  await using pool = await mcp(unique('cap'), {
    kind: 'session_buddy',
    handler: async ({ progress }) => {
      await progress(3, 4, 'three of four')
      await held.opened
      return 'done'
    },
  })
  const told = await stranger().listen<object>(`pool.progress.${pool.poolName}`)
  const id = await stranger().submit(pool.task)
  await until(() => told.length > 0)
  expect(told[0]).toEqual({ task_id: id, attempt: 1, fraction: 0.75, message: 'three of four' })
  held.open()
  expect(await stranger().resultOf(id)).toMatchObject({ status: 'completed' })
})

test('tasks are routed to a mahavishnu pool at …/mcp, run once each, and never more than its workers', async () => {
  let peak = 0
  await using pool = await mcp(
    unique('cap'),
    {
      kind: 'mahavishnu',
      handler: async ({ args }) => {
        peak = Math.max(peak, pool.running)
        await new Promise((resolve) => setImmediate(resolve))
        return args['prompt']
      },
    },
    { max_workers: 3 },
  )
  const ids = await Promise.all(
    Array.from({ length: 12 }, (_, n) => stranger().submit({ ...pool.task, payload: { prompt: `no ${n}` } })),
  )
  for (const [n, id] of ids.entries())
    expect(await stranger().resultOf(id)).toMatchObject({
      status: 'completed',
      pool_name: pool.poolName,
      output: { output: `no ${n}`, exit_code: 0 },
      metadata: { attempts: 1, mcp: { tool: 'worker_execute' } },
    })
  const prompts = pool.calls.filter(({ tool }) => tool === 'worker_execute').map(({ args }) => args['prompt'])
  expect(prompts.sort()).toEqual(ids.map((_, n) => `no ${n}`).sort())
  expect(peak).toBeLessThanOrEqual(3)
  expect(pool.count('initialize')).toBe(1)
})

test('a failure in one is tried again in another, and the way is told', async () => {
  const capability = unique('cap')
  const handler = () => {
    throw new Error('no paper')
  }
  await using bad = await mcp(capability, { kind: 'session_buddy', handler })
  const first = await stranger().submit({ ...bad.task, max_attempts: 2, pool: bad.poolName })
  expect(await stranger().resultOf(first)).toMatchObject({
    status: 'failed',
    error: expect.stringContaining('no paper'),
    metadata: { attempts: 2, reason: 'HANDLER_ERROR' },
  })
  const waiting = await stranger().submit({ ...bad.task, max_attempts: 20 })
  await until(() => bad.calls.length > 2)
  await using good = await mcp(capability, { kind: 'mahavishnu' })
  expect(await stranger().resultOf(waiting)).toMatchObject({ status: 'completed', pool_name: good.poolName })
})

test('a pool that does not end in time times out, and is told', async () => {
  const handler = () => new Promise(() => {})
  await using pool = await mcp(unique('cap'), { kind: 'session_buddy', handler })
  const id = await stranger().submit({ ...pool.task, timeout: 1 })
  expect(await stranger().resultOf(id)).toMatchObject({
    status: 'timeout',
    metadata: { reason: 'RUN_TIMEOUT' },
  })
  await until(() => pool.cancelled.length === 1)
})

test('cancelled while it runs: the server is told, and the result says that it may never say', async () => {
  const handler = () => new Promise(() => {})
  await using pool = await mcp(unique('cap'), { kind: 'mahavishnu', handler })
  const { candidates } = await stranger().explain({ task_type: 'test', ...pool.task })
  expect(candidates[0]).toMatchObject({ pool: pool.poolName, cancel: 'requested' })
  const id = await stranger().submit(pool.task)
  await until(() => pool.running === 1)
  expect(await stranger().ask('task.cancel', { task_id: id })).toMatchObject({ cancelled: true })
  expect(await stranger().resultOf(id)).toMatchObject({
    status: 'cancelled',
    metadata: { cancel: 'requested' },
  })
  await until(() => pool.cancelled.length === 1)
})

test('a server that is killed in the middle of a call loses no task and costs no attempt', async () => {
  const capability = unique('cap')
  const handler = () => new Promise(() => {})
  const dying = await mcp(capability, { kind: 'session_buddy', handler })
  const id = await stranger().submit(dying.task)
  await until(() => dying.running === 1)
  await dying.kill()
  await using other = await mcp(capability, { kind: 'mahavishnu', handler: () => 'saved' })
  expect(await stranger().resultOf(id)).toMatchObject({
    status: 'completed',
    pool_name: other.poolName,
    output: { output: 'saved' },
    metadata: {
      attempts: 1,
      history: expect.arrayContaining([
        expect.objectContaining({ pool: dying.poolName, reason: 'POOL_LOST' }),
      ]),
    },
  })
})

test('a server that starts anew and knows no session goes on getting tasks', async () => {
  await using pool = await mcp(unique('cap'), { kind: 'mahavishnu' })
  await stranger().run(pool.task)
  pool.forgetSessions()
  expect(await stranger().run(pool.task)).toMatchObject({ status: 'completed', metadata: { attempts: 1 } })
  expect(pool.count('initialize')).toBe(2)
})

test('the executor is killed: what runs there cannot be asked for, and runs again', async () => {
  const held = gate()
  await using pool = await mcp(unique('cap'), {
    kind: 'session_buddy',
    handler: ({ args }) => ((args['context'] as { attempt: number }).attempt === 1 ? held.opened : 'done'),
  })
  await executors.standBy()
  const id = await stranger().submit(pool.task)
  await until(() => pool.running === 1)
  await executors.killDispatcher()
  expect(await stranger().resultOf(id)).toMatchObject({
    status: 'completed',
    pool_name: pool.poolName,
    metadata: { attempts: 1 },
  })
  expect(pool.calls.map(({ args }) => (args['context'] as { attempt: number }).attempt)).toEqual([1, 2])
  held.open()
})
