// A real server of the bus with results on it, and the MCP servers that they go to.
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { loadSettings, type MetricsSink, silentLogger } from '@poolmesh/bus'
import {
  type McpServerOptions,
  McpTestServer,
  startTestServer,
  type TestServer,
  until,
} from '@poolmesh/testkit'
import type { DistributedTaskResult, MemorySearchReply } from '@poolmesh/types'
import { startMemory } from '../src/index.ts'

type Json = Record<string, unknown>

export interface Fixture extends AsyncDisposable {
  server: TestServer
  nc: NatsConnection
  buddy: McpTestServer
  akosha: McpTestServer
  env: Record<string, string>
  /** One more process of the service; rounds come fast. */
  start(changes?: Record<string, string>): Promise<AsyncDisposable>
  /** What the processes have counted of a destination, summed; by the name without `poolmesh_memory_`, and the outcome. */
  counted(destination: string): Promise<Record<string, number>>
  search(query: string, limit?: number): Promise<MemorySearchReply>
}

export async function fixture(
  options: { buddy?: Partial<McpServerOptions>; akosha?: Partial<McpServerOptions> } = {},
): Promise<Fixture> {
  await using parts = new AsyncDisposableStack()
  const server = parts.use(await startTestServer())
  await server.topology()
  const nc = await server.connect('plain')
  const buddy = parts.use(await McpTestServer.start({ kind: 'session_buddy', ...options.buddy }))
  const akosha = parts.use(await McpTestServer.start({ kind: 'akosha', ...options.akosha }))
  const env = {
    MAHAVISHNU_POOLS__MEMORY_AGGREGATION_ENABLED: 'true',
    MAHAVISHNU_POOLS__MEMORY_SYNC_INTERVAL: '10',
    MAHAVISHNU_POOLS__SESSION_BUDDY_URL: buddy.endpoint,
    MAHAVISHNU_POOLS__AKOSHA_URL: akosha.endpoint,
  }
  const reads: Parameters<MetricsSink['source']>[0][] = []
  const metrics: MetricsSink = { source: (read) => void reads.push(read) }
  const owned = parts.move()
  return {
    server,
    nc,
    buddy,
    akosha,
    env,
    async start(changes = {}) {
      const settings = loadSettings({ ...env, ...changes }, '')
      settings.pools.memory_sync_interval = 0.05
      return await startMemory({ nc: await server.connect('memory'), settings, log: silentLogger(), metrics })
    },
    async counted(destination) {
      const sums: Record<string, number> = {}
      for (const read of reads)
        await read((name, value, labels) => {
          if (labels?.['destination'] !== destination || typeof value !== 'number') return
          const key = [name.replace('poolmesh_memory_', ''), labels['outcome']].filter(Boolean).join(' ')
          sums[key] = (sums[key] ?? 0) + value
        })
      return sums
    },
    async search(query, limit) {
      const body = JSON.stringify(limit === undefined ? { query } : { query, limit })
      return (await nc.request('memory.search', body, { timeout: 20_000 })).json<MemorySearchReply>()
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export const result = (task_id: string, output: Json | null = { word: 'plain' }): DistributedTaskResult => ({
  task_id,
  pool_name: 'text-1',
  status: output === null ? 'failed' : 'completed',
  output,
  error: output === null ? 'it rained' : null,
  duration: 0.1,
  metadata: { attempts: 1, queued_ms: 1 },
})

/** As an executor stores it: one result, or those of a batch. */
export async function store(nc: NatsConnection, id: string, body: unknown): Promise<void> {
  await jetstream(nc).publish(`task.completed.${id}`, JSON.stringify(body))
}

/** The ids of the conversations that Session-Buddy was given, in their order. */
export const conversations = (buddy: McpTestServer): string[] =>
  buddy.calls
    .filter(({ tool }) => tool === 'store_conversation')
    .map(({ args }) => String((args['metadata'] as Json)['task_id']))

/** The ids of the memories that Akosha was given. */
export const memories = (akosha: McpTestServer): string[] =>
  akosha.calls
    .filter(({ tool }) => tool === 'batch_store_memories')
    .flatMap(({ args }) => (args['memories'] as Json[]).map((memory) => String(memory['memory_id'])))

/** Until what was stored is acknowledged for those destinations. */
export async function settled(
  nc: NatsConnection,
  sources: string[] = ['session_buddy', 'akosha'],
  limitMs = 20_000,
): Promise<void> {
  const jsm = await jetstreamManager(nc)
  await until(
    async () => {
      const infos = await Promise.all(
        sources.map((source) => jsm.consumers.info('RESULTS', `memory-${source}`)),
      )
      return infos.every(({ num_pending, num_ack_pending }) => num_pending + num_ack_pending === 0)
    },
    'everything to be acknowledged',
    limitMs,
  )
}
