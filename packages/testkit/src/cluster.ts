import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { NatsConnection } from '@nats-io/transport-node'
import { connectBus, type NatsServer } from '@poolmesh/bus'
import { type ServerPlace, serverPlaces, startAt } from './places.ts'

/** One nats-server of a cluster, which can be killed and started again with what it has stored. */
export class TestNode {
  readonly name: string
  readonly url: string
  readonly #place: ServerPlace
  #server: NatsServer | null = null

  constructor(place: ServerPlace) {
    this.#place = place
    this.name = place.name
    this.url = place.url
  }

  /** 0 while it does not run. */
  get pid(): number {
    return this.#server?.pid ?? 0
  }

  async start(): Promise<void> {
    this.#server ??= await startAt(this.#place)
  }

  async kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const server = this.#server
    this.#server = null
    await server?.stop(signal)
  }
}

export interface TestCluster extends AsyncDisposable {
  /** All addresses, with commas between. */
  readonly url: string
  readonly nodes: readonly TestNode[]
  /** A connection that is closed with the cluster. */
  connect(name?: string): Promise<NatsConnection>
}

/**
 * Real nats-servers that form a cluster, on free ports and with data folders of their own, all gone when disposed. They
 * may still be finding their leader.
 */
export async function startTestCluster(
  options: { nodes?: number; sync?: string } = {},
): Promise<TestCluster> {
  await using parts = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'poolmesh-cluster-'))
  parts.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  const places = await serverPlaces(folder, options.nodes ?? 3, options.sync ?? '1m')
  const nodes = places.map((place) => new TestNode(place))
  parts.defer(async () => void (await Promise.all(nodes.map((node) => node.kill()))))
  await Promise.all(nodes.map((node) => node.start()))
  const url = nodes.map((node) => node.url).join(',')
  const owned = parts.move()
  return {
    url,
    nodes,
    async connect(name = 'test') {
      const nc = await connectBus({ servers: url, name })
      owned.defer(() => nc.close().catch(() => {}))
      return nc
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
