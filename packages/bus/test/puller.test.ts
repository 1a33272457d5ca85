import { AckPolicy, jetstreamManager, RetentionPolicy } from '@nats-io/jetstream'
import { startTestServer } from '@poolmesh/testkit'
import { expect, test } from 'vitest'
import { Publisher, Puller } from '../src/index.ts'

const MESSAGES = 60
const MiB = 1024 ** 2

test('a reader that is slower than large messages come is sent no more at once than the server keeps for it', async () => {
  // As the server's 64 MiB are to the thousand messages that a reader has room for.
  await using server = await startTestServer({ extraConfig: `max_pending: ${20 * MiB}` })
  const [nc, writer] = [await server.connect(), await server.connect()]
  const jsm = await jetstreamManager(nc)
  await jsm.streams.add({ name: 'S', subjects: ['s.*'], retention: RetentionPolicy.Workqueue })
  await jsm.consumers.add('S', { durable_name: 'c', ack_policy: AckPolicy.Explicit })
  using publisher = new Publisher(writer)
  const large = Buffer.alloc(0.9 * MiB)
  for (let i = 0; i < MESSAGES; i++)
    expect(await publisher.store(`s.${i}`, large)).toMatchObject({ kind: 'stored' })

  const cuts: string[] = []
  const watching = (async () => {
    for await (const { type } of nc.status()) if (type === 'disconnect') cuts.push(type)
  })()
  const came: string[] = []
  await new Promise<void>((resolve) => {
    const puller = new Puller(nc, {
      stream: 'S',
      consumer: 'c',
      room: () => 1_000,
      onMessage: (message) => {
        came.push(message.subject)
        message.ack()
        // Its process does nothing else meanwhile, and reads nothing.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
        if (came.length < MESSAGES) return
        puller[Symbol.dispose]()
        resolve()
      },
    })
  })
  expect(came).toEqual(Array.from({ length: MESSAGES }, (_, i) => `s.${i}`))
  await nc.close()
  await watching
  expect(cuts).toEqual([])
})
