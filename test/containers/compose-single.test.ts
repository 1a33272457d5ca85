// docker-compose.yml as it is, with the images that `npm run images` built: hardened, healthy when it works and not when it
// does not, and a task ends though containers are killed under it.
import { silentLogger } from '@poolmesh/bus'
import { until } from '@poolmesh/testkit'
import { definePool } from '@poolmesh/worker'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { completed, Stranger, unique } from '../contract/harness.ts'
import { command } from './command.ts'
import { Compose, killContainer, startContainer } from './compose.ts'
import { storedResults } from './results.ts'

const SERVICES = ['registry', 'executor', 'distributor', 'health-monitor', 'gateway']

describe.skipIf(inject('noCompose') !== null)('one NATS server and the services', () => {
  let compose: Compose
  let stranger: Stranger
  const container = async (service: string): Promise<string> =>
    (await compose.containers(service))[0] as string

  /** Runs the health check of a container's image now. @returns null: it is healthy; else what was said */
  async function unhealthy(service: string): Promise<string | null> {
    const id = await container(service)
    const text = await command('docker', ['inspect', '--format', '{{json .Config.Healthcheck.Test}}', id])
    const [, ...check] = JSON.parse(text) as string[]
    return await command('docker', ['exec', id, ...check]).then(
      () => null,
      (error: Error) => error.message,
    )
  }

  beforeAll(async () => {
    compose = await Compose.up(`poolmesh-test-single-${process.pid}`, ['docker-compose.yml'], 1)
    await compose.untilReady()
    stranger = await Stranger.to(compose.url)
  })
  afterAll(async () => {
    await stranger?.close()
    await compose?.[Symbol.asyncDispose]()
  })

  test.each(SERVICES)(
    '%s is not root, cannot write to its file system, and gets healthy',
    async (service) => {
      const id = await container(service)
      expect(await command('docker', ['exec', id, 'id', '-u'])).toBe('1000')
      await expect(command('docker', ['exec', id, 'touch', '/app/file'])).rejects.toThrow(/Read-only/)
      await compose.untilHealth('healthy', service)
    },
  )

  test('a task that is running and one that waits end once each, though the executor is killed', async () => {
    const gate = Promise.withResolvers<void>()
    const name = unique('worker')
    const begun: string[] = []
    // It keeps its answers for whoever comes after the executor that asked.
    await using _pool = await definePool({
      name,
      capabilities: [name],
      maxWorkers: 1,
      handler: async (task) => {
        begun.push(task.task_id)
        await gate.promise
        return { done: true }
      },
    }).start({ servers: compose.url, handleSignals: false, log: silentLogger() })
    const task = { required_capabilities: [name] }
    await stranger.fitting(task, [name])
    const running = await stranger.submit(task)
    await until(() => begun.length === 1)
    const waiting = await stranger.submit(task)
    const executor = await container('executor')
    await killContainer(executor)
    gate.resolve()
    await startContainer(executor)
    for (const id of [running, waiting]) {
      expect(await stranger.resultFrom(id)).toMatchObject({ status: 'completed', output: { done: true } })
      expect(await stranger.stored(id)).toMatchObject({ status: 'completed' })
    }
    expect(begun).toEqual([running, waiting])
    const stored = await storedResults(stranger.nc)
    expect([running, waiting].map((id) => stored.get(id))).toEqual([['completed'], ['completed']])
  })

  test('while NATS is gone every health check fails and says why; the task that runs ends when it is back', async () => {
    const gate = Promise.withResolvers<void>()
    await using pool = await stranger.own({
      handler: async (work) => {
        await gate.promise
        return completed(work, { done: true })
      },
    })
    const id = await stranger.submit({ ...pool.task })
    await until(() => pool.running === 1)
    const nats = await container('nats')
    await killContainer(nats)
    const said = await Promise.all(SERVICES.map((service) => unhealthy(service)))
    for (const line of said) expect(line).toMatch(/unhealthy: no .*NATS/)
    await startContainer(nats)
    gate.resolve()
    expect(await stranger.resultFrom(id)).toMatchObject({ status: 'completed', output: { done: true } })
    for (const service of SERVICES)
      await until(async () => (await unhealthy(service)) === null, `${service} to be healthy again`)
  })
})
