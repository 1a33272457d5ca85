import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { NatsConnection } from '@nats-io/transport-node'
import {
  connectBus,
  DEFAULT_TOPOLOGY,
  ensureTopology,
  type NatsServer,
  startNatsServer,
  type TopologyOptions,
} from '@poolmesh/bus'

export interface TestServer extends AsyncDisposable {
  readonly url: string
  readonly server: NatsServer
  /** A connection that is closed with the server. */
  connect(name?: string): Promise<NatsConnection>
  /** Streams, consumers and buckets as the services make them. */
  topology(options?: Partial<TopologyOptions>): Promise<void>
}

/** A real nats-server on a free port with a data folder of its own, both gone when disposed. One for each test file. */
export async function startTestServer(options: { extraConfig?: string } = {}): Promise<TestServer> {
  const dataDir = await mkdtemp(join(tmpdir(), 'poolmesh-test-'))
  const server = await startNatsServer({ port: 0, dataDir, sync: '1m', ...options })
  const connections: NatsConnection[] = []
  const connect = async (name = 'test'): Promise<NatsConnection> => {
    const nc = await connectBus({ servers: server.url, name })
    connections.push(nc)
    return nc
  }
  return {
    url: server.url,
    server,
    connect,
    async topology(changes = {}) {
      const nc = await connectBus({ servers: server.url, name: 'topology' })
      await ensureTopology(nc, { ...DEFAULT_TOPOLOGY, ...changes })
      await nc.close()
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(connections.map((nc) => nc.close().catch(() => {})))
      await server.stop('SIGKILL')
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
