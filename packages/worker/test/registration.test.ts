import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectBus, type NatsServer, startNatsServer } from '@poolmesh/bus'
import { refusingPort, startTestServer, until } from '@poolmesh/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { definePool } from '../src/index.ts'
import { gate, PlayedExecutor, playRegistry, task } from './peers.ts'

let server: Awaited<ReturnType<typeof startTestServer>>
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const named = (name: string) => definePool({ name, handler: () => ({ done: true }) })

test('the registry may come later, and work is taken before', async () => {
  const nc = await server.connect()
  const starting = named('early').start({ nc: await server.connect() })
  await until(async () => {
    const reply = await nc.request('pool.work.early', JSON.stringify(task('a'))).catch(() => null)
    return reply?.json<{ status: string }>().status === 'completed'
  })
  const registry = playRegistry(nc)
  await using pool = await starting
  expect(registry.pools.has('early')).toBe(true)
  await pool.stop()
  registry.stop()
})

test('a registry that fails is asked again, one that refuses for good ends the start', async () => {
  const nc = await server.connect()
  const codes = ['INTERNAL', 'OVERLOADED', 'INVALID_INPUT']
  const subscription = nc.subscribe('pool.register', {
    callback: (_, message) =>
      void message.respond(JSON.stringify({ error: { code: codes.shift(), message: 'no', issues: [] } })),
  })
  await nc.flush()
  const connection = await server.connect()
  await expect(named('refused').start({ nc: connection })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  expect(codes).toEqual([])
  subscription.unsubscribe()
  // Nothing is left of it.
  await expect(nc.request('pool.health.refused')).rejects.toThrow()
  expect(connection.isClosed()).toBe(false)
})

test('a start that nobody answers can be given up', async () => {
  const controller = new AbortController()
  const starting = named('given-up').start({ nc: await server.connect(), signal: controller.signal })
  controller.abort(new Error('enough'))
  await expect(starting).rejects.toThrow(/enough|abort/i)
})

test('no server: a clear error', async () => {
  await using nothing = await refusingPort()
  const { port } = nothing
  await expect(named('alone').start({ servers: `nats://127.0.0.1:${port}` })).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining(String(port)),
  })
})

test('a pool whose name another process has taken over leaves the registration to it', async () => {
  const nc = await server.connect()
  const registry = playRegistry(nc)
  const old = await named('moved').start({ nc: await server.connect() })
  await using _successor = await named('moved').start({ nc: await server.connect() })
  await old.stop()
  expect(registry.asked).toEqual(['register moved', 'register moved'])
  expect(registry.pools.has('moved')).toBe(true)
  await _successor.stop()
  expect(registry.pools.has('moved')).toBe(false)
  registry.stop()
})

test('after a reconnect it registers again, but only where it is not known any more', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'poolmesh-worker-'))
  let broker: NatsServer = await startNatsServer({ port: 0, dataDir })
  const { url, port } = broker
  const nc = await connectBus({ servers: url, name: 'registry' })
  const registry = playRegistry(nc)
  let beats = 0
  nc.subscribe('pool.heartbeat.back', { callback: () => void beats++ })
  const pool = await named('back').start({ servers: url, handleSignals: false })
  const restart = async (): Promise<void> => {
    const before = beats
    await broker.stop('SIGKILL')
    broker = await startNatsServer({ port, dataDir })
    // It tells its load as soon as it has looked after its registration.
    await until(() => beats > before, 'a heartbeat after the restart')
  }
  await restart()
  expect(registry.asked).toEqual(['register back'])
  registry.pools.clear()
  await restart()
  expect(registry.asked).toEqual(['register back', 'register back'])
  expect((await nc.request('pool.work.back', JSON.stringify(task('a')))).json()).toMatchObject({
    status: 'completed',
  })
  await pool.stop()
  await nc.close()
  await broker.stop()
  await rm(dataDir, { recursive: true, force: true })
})

/** A process with one pool, whose handler waits for `pool.test.open` and tells when it is aborted. */
function startProcess(name: string) {
  const worker = join(import.meta.dirname, '..', 'src', 'index.ts')
  const script = `
    const { definePool } = await import(${JSON.stringify(worker)})
    const handler = (task, { signal }) => new Promise((resolve, reject) => {
      process.once('message', () => resolve({ ended: true }))
      signal.addEventListener('abort', () => reject(signal.reason))
    })
    const pool = await definePool({ name: ${JSON.stringify(name)}, handler }).start({ drainTimeout: 600 })
    await pool.closed
    process.disconnect()`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    env: { ...process.env, NATS_URL: server.url, POOLMESH_LOG_LEVEL: 'warn' },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  return { child, exited: once(child, 'exit') }
}

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s drains a process: it ends with code 0 when its work is done',
  async (signal) => {
    const nc = await server.connect()
    const registry = playRegistry(nc)
    const name = `process-${signal}`
    const executor = new PlayedExecutor(nc, name)
    const { child, exited } = startProcess(name)
    await until(() => registry.pools.has(name))
    executor.many([task('runs')])
    await until(
      async () =>
        (await nc.request(`pool.health.${name}`)).json<{ current_workers: number }>().current_workers === 1,
    )
    child.kill(signal)
    await until(() => registry.asked.includes(`deregister ${name} drain`))
    executor.many([task('late')])
    expect((await executor.answer('late')).metadata).toEqual({ reason: 'POOL_REFUSED' })
    expect(executor.answers).toHaveLength(1)
    child.send('open')
    expect(await executor.answer('runs')).toMatchObject({ status: 'completed', output: { ended: true } })
    expect(await exited).toEqual([0, null])
    expect(registry.pools.has(name)).toBe(false)
    registry.stop()
  },
)

test('a second signal stops what still runs', async () => {
  const nc = await server.connect()
  const registry = playRegistry(nc)
  const executor = new PlayedExecutor(nc, 'hurried')
  const { child, exited } = startProcess('hurried')
  await until(() => registry.pools.has('hurried'))
  executor.many([task('runs')])
  await until(
    async () =>
      (await nc.request('pool.health.hurried')).json<{ current_workers: number }>().current_workers === 1,
  )
  child.kill('SIGTERM')
  await until(() => registry.asked.includes('deregister hurried drain'))
  child.kill('SIGTERM')
  expect(await executor.answer('runs')).toMatchObject({
    status: 'failed',
    metadata: { reason: 'POOL_REFUSED' },
  })
  expect(await exited).toEqual([0, null])
  registry.stop()
})

test('a signal while it waits for the registry ends the process without an error', async () => {
  const nc = await server.connect()
  const { child, exited } = startProcess('waiting')
  await until(async () => await nc.request('pool.health.waiting').catch(() => null))
  child.kill('SIGTERM')
  expect(await exited).toEqual([0, null])
})

test('one process may run several pools', async () => {
  const nc = await server.connect()
  const registry = playRegistry(nc)
  const connection = await server.connect()
  const door = gate()
  const names = ['one', 'two', 'three']
  const pools = await Promise.all(
    names.map((name) =>
      definePool({ name, handler: () => door.opened.then(() => ({ name })) }).start({ nc: connection }),
    ),
  )
  const executors = names.map((name) => new PlayedExecutor(nc, name))
  for (const executor of executors) executor.many([task('same')])
  await until(() => pools.every((pool) => pool.stats.running === 1))
  door.open()
  const answers = await Promise.all(executors.map((executor) => executor.answer('same')))
  expect(answers.map(({ output }) => output?.['name'])).toEqual(names)
  await Promise.all(pools.map((pool) => pool.stop()))
  registry.stop()
})
