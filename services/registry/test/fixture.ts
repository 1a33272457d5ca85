import { AckPolicy, DeliverPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { loadSettings, silentLogger } from '@poolmesh/bus'
import { startTestServer, type TestServer } from '@poolmesh/testkit'
import type { PoolEvent } from '@poolmesh/types'
import { startRegistry } from '../src/index.ts'

type Reply = Record<string, unknown> & {
  error?: { code: string; issues: { path: string; message: string }[] }
}

export interface Fixture extends AsyncDisposable {
  server: TestServer
  /** A plain client. */
  nc: NatsConnection
  /** One more process of the registry. */
  start(env?: Record<string, string>): Promise<AsyncDisposable>
  /** Sends text, or anything else as JSON, and reads what comes back. */
  ask(subject: string, body: unknown): Promise<Reply>
  /** Everything that is stored on the two subjects about a pool. */
  events(pool: string): Promise<(PoolEvent & { subject: string })[]>
}

/** A server of its own, with streams and buckets, and no registry yet. */
export async function fixture(): Promise<Fixture> {
  const server = await startTestServer()
  await server.topology()
  const nc = await server.connect('plain')
  return {
    server,
    nc,
    start: async (env = {}) =>
      startRegistry({
        nc: await server.connect('registry'),
        settings: loadSettings(env, ''),
        log: silentLogger(),
      }),
    async ask(subject, body) {
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      return (await nc.request(subject, text, { timeout: 20_000 })).json<Reply>()
    },
    async events(pool) {
      const jsm = await jetstreamManager(nc)
      const { name } = await jsm.consumers.add('POOL_EVENTS', {
        ack_policy: AckPolicy.None,
        deliver_policy: DeliverPolicy.All,
        mem_storage: true,
        inactive_threshold: 1_000_000_000,
        filter_subjects: ['pool.registered', 'pool.deregistered'],
      })
      const consumer = await jetstream(nc).consumers.get('POOL_EVENTS', name)
      const found: (PoolEvent & { subject: string })[] = []
      const pending = (await consumer.info()).num_pending
      if (pending === 0) return found
      for await (const message of await consumer.fetch({ max_messages: pending })) {
        const event = message.json<PoolEvent>()
        if (event.pool === pool) found.push({ ...event, subject: message.subject })
      }
      return found
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}
