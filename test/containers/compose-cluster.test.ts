// docker-compose.cluster.yml on top: three NATS servers with three copies of everything, two executors. The executor that
// dispatches is killed, then a NATS server, under load; neither comes back before work goes on.
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { command } from './command.ts'
import { Compose, killContainer, startContainer } from './compose.ts'
import { dispatching } from './executors.ts'
import { Load } from './load.ts'

const FILES = ['docker-compose.yml', 'docker-compose.cluster.yml']

describe.skipIf(inject('noCompose') !== null)('three NATS servers and two executors', () => {
  let compose: Compose
  let load: Load

  beforeAll(async () => {
    compose = await Compose.up(`poolmesh-test-cluster-${process.pid}`, FILES, 3)
    await compose.untilReady()
    load = await Load.on(compose.url)
  })
  afterAll(async () => {
    await load?.[Symbol.asyncDispose]()
    await compose?.[Symbol.asyncDispose]()
  })

  test('each acknowledged task ends once while an executor and a NATS server are killed', async () => {
    const { stranger } = load
    for (const stream of ['TASKS', 'RESULTS', 'KV_POOLS'])
      expect((await stranger.jsm.streams.info(stream)).config.num_replicas).toBe(3)
    expect(await compose.containers('executor')).toHaveLength(2)

    await load.goesOn()
    const executor = await dispatching(compose, stranger)
    await killContainer(executor)
    await load.goesOn()

    const leader = (await stranger.jsm.streams.info('RESULTS')).cluster?.leader as string
    const [server = ''] = await compose.containers(leader)
    await killContainer(server)
    await load.goesOn()

    expect(await command('docker', ['inspect', '--format', '{{.State.Running}}', executor, server])).toBe(
      'false\nfalse',
    )
    await startContainer(server)
    await startContainer(executor)
    await load.goesOn()
    expect(await load.ended()).toBeGreaterThan(150)
  })
})
