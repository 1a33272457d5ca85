// Contract, promise 1, through a restart of the NATS server while tasks run: SIGKILL, and the same folder again.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from '@nats-io/transport-node'
import { freePort, type NatsServer, startNatsServer } from '@poolmesh/bus'
import { HttpPool, McpTestServer, type RunningProcess, run, until } from '@poolmesh/testkit'
import { definePool } from '@poolmesh/worker'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { completed, Stranger, unique } from './harness.ts'

const SERVICES = ['registry', 'executor', 'distributor', 'health-monitor']
let dataDir: string
let port: number
let server: NatsServer
let services: RunningProcess[]
let stranger: Stranger

const startServer = async (): Promise<void> => {
  server = await startNatsServer({ port, dataDir, sync: 'always' })
}

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'poolmesh-broker-'))
  port = await freePort()
  await startServer()
  services = SERVICES.map((name) => run('service.ts', [name], { NATS_URL: server.url }))
  await Promise.all(services.map((service) => service.line(/"msg":"ready"/)))
  stranger = await Stranger.to(server.url)
})
afterAll(async () => {
  await stranger?.close()
  await Promise.all((services ?? []).map((service) => service[Symbol.asyncDispose]()))
  await server?.stop('SIGKILL')
  await rm(dataDir, { recursive: true, force: true })
})

test('what ran when the server was killed is answered again or run again, and ends once', async () => {
  let deaf = false
  await using plain = await stranger.own({
    // Nobody knows whether the three runs go on, so their slots stay taken for a while: three more are free.
    maxWorkers: 6,
    // Its answers get lost with the server.
    handler: (work) => (deaf ? completed(work, { by: 'plain' }) : undefined),
  })
  const name = unique('worker')
  const gate = Promise.withResolvers<void>()
  let begun = 0
  const nc = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 100 })
  const worker = await definePool({
    name,
    capabilities: [name],
    maxWorkers: 3,
    handler: async () => {
      begun++
      await gate.promise
      return { by: name }
    },
  }).start({ nc })
  await stranger.fitting({ required_capabilities: [name] }, [name])
  const task = { timeout: 300 }
  const own = await Promise.all([1, 2, 3].map(() => stranger.submit({ ...task, ...plain.task })))
  const theirs = await Promise.all(
    [1, 2, 3].map(() => stranger.submit({ ...task, required_capabilities: [name] })),
  )
  const waiting = await Promise.all(
    [1, 2, 3, 4].map(() => stranger.submit({ ...task, required_capabilities: [name] })),
  )
  await until(() => plain.received.length === 3 && begun === 3)
  await server.stop('SIGKILL')
  deaf = true
  // The worker's answers are ready while nobody can hear them.
  gate.resolve()
  await startServer()
  for (const id of [...own, ...theirs, ...waiting])
    expect(await stranger.resultFrom(id)).toMatchObject({ task_id: id, status: 'completed' })
  expect(begun).toBe(7)
  expect(new Set(plain.ids()).size).toBe(3)
  await worker.stop()
  await nc.close()
})

test('runs in an HTTP pool are neither lost nor begun again, whether they end while the server is away or later', async () => {
  const away = Promise.withResolvers<void>()
  const later = Promise.withResolvers<void>()
  await using pool = await HttpPool.start({
    mode: 'async',
    handler: async ({ task }) => {
      await (task.payload['later'] ? later.promise : away.promise)
      return { by: 'http' }
    },
  })
  // What it runs is tried again once the executor looks for lost answers.
  let deaf = false
  await using plain = await stranger.own({
    maxWorkers: 2,
    handler: (work) => (deaf ? completed(work, {}) : undefined),
  })
  const name = unique('http')
  await stranger.ask('pool.register', {
    name,
    pool_type: 'mahavishnu',
    endpoint: pool.endpoint,
    capabilities: [name],
  })
  await stranger.fitting({ required_capabilities: [name] }, [name])
  const submit = (payload: object) =>
    stranger.submit({ timeout: 300, required_capabilities: [name], payload })
  const ids = await Promise.all([submit({}), submit({}), submit({ later: true }), submit({ later: true })])
  await stranger.submit({ timeout: 300, ...plain.task })
  await until(() => pool.running === 4 && plain.received.length === 1)
  await server.stop('SIGKILL')
  deaf = true
  const asked = pool.asked.length
  away.resolve()
  await until(() => ids.every((id) => pool.asked.slice(asked).includes(id)), 'all to be asked for')
  await startServer()
  await until(() => plain.received.length === 2, 'the executor to look for lost answers')
  later.resolve()
  for (const id of ids)
    expect(await stranger.resultFrom(id)).toMatchObject({ status: 'completed', output: { by: 'http' } })
  expect(pool.received.map(({ task }) => task.task_id).sort()).toEqual([...ids].sort())
})

test('runs in an MCP pool are neither lost nor begun again', async () => {
  const away = Promise.withResolvers<void>()
  const later = Promise.withResolvers<void>()
  await using pool = await McpTestServer.start({
    kind: 'mahavishnu',
    handler: async ({ args }) => {
      await (args['prompt'] === 'later' ? later.promise : away.promise)
      return args['prompt']
    },
  })
  // What it runs is tried again once the executor looks for lost answers.
  let deaf = false
  await using plain = await stranger.own({
    maxWorkers: 2,
    handler: (work) => (deaf ? completed(work, {}) : undefined),
  })
  const name = unique('mcp')
  await stranger.ask('pool.register', {
    name,
    pool_type: 'mahavishnu',
    endpoint: pool.endpoint,
    capabilities: [name],
  })
  await stranger.fitting({ required_capabilities: [name] }, [name])
  const submit = (prompt: string) =>
    stranger.submit({ timeout: 300, required_capabilities: [name], payload: { prompt } })
  const ids = await Promise.all([submit('away'), submit('later')])
  await stranger.submit({ timeout: 300, ...plain.task })
  await until(() => pool.running === 2 && plain.received.length === 1)
  await server.stop('SIGKILL')
  deaf = true
  away.resolve()
  await until(() => pool.running === 1)
  await startServer()
  await until(() => plain.received.length === 2, 'the executor to look for lost answers')
  later.resolve()
  for (const id of ids) expect(await stranger.resultFrom(id)).toMatchObject({ status: 'completed' })
  expect(pool.calls.filter(({ tool }) => tool === 'worker_execute')).toHaveLength(2)
  expect(pool.cancelled).toEqual([])
})
