// Promise 1 while the NATS server in its container is restarted, paused and killed: client, worker and services, real
// processes all of them, ride through.
import { connectBus } from '@poolmesh/bus'
import { type RunningProcess, run } from '@poolmesh/testkit'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { Load } from './load.ts'
import { type NatsContainer, startNatsContainer } from './nats-container.ts'

const SERVICES = ['registry', 'executor', 'executor', 'distributor', 'health-monitor']

describe.skipIf(inject('noEngine') !== null)('the NATS server in a container', () => {
  let nats: NatsContainer
  let services: RunningProcess[] = []

  beforeAll(async () => {
    nats = await startNatsContainer()
    services = SERVICES.map((name) => run('service.ts', [name], { NATS_URL: nats.url }))
    await Promise.all(services.map((service) => service.line(/"msg":"ready"/)))
  })
  afterAll(async () => {
    await Promise.all(services.map((service) => service[Symbol.asyncDispose]()))
    await nats?.[Symbol.asyncDispose]()
  })

  /** Work before the fault, and as much after it, by the same processes. */
  async function rideThrough(fault: () => Promise<void>): Promise<void> {
    await using load = await Load.on(nats.url)
    await load.goesOn()
    await fault()
    await load.goesOn()
    expect(await load.ended()).toBeGreaterThan(100)
    expect(services.filter(({ child }) => child.exitCode !== null || child.signalCode !== null)).toEqual([])
  }

  test('is restarted: each acknowledged task ends once', async () => {
    await rideThrough(() => nats.restart())
  })

  test('is paused for longer than everybody waits for an answer: each acknowledged task ends once', async () => {
    await rideThrough(async () => {
      await nats.pause()
      await expect(connectBus({ servers: nats.url, name: 'newcomer' })).rejects.toThrow(
        /no NATS server answers/,
      )
      await nats.unpause()
    })
  })

  test('is killed and started again on what it had stored: each acknowledged task ends once', async () => {
    await rideThrough(async () => {
      await nats.kill()
      await nats.start()
    })
  })
})
