import type { NatsConnection } from '@nats-io/transport-node'
import { connectBus } from '@poolmesh/bus'
import { type DiscoverReply, type MemorySearchReply, PoolmeshError } from '@poolmesh/types'
import { TaskDistributor, type TaskDistributorOptions } from './distributor.ts'
import { startEmbeddedHost } from './embedded.ts'
import { DistributedTaskExecutor } from './executor.ts'
import { PoolHealthMonitor } from './health-monitor.ts'
import { searchMemory } from './memory.ts'
import { PoolRegistry } from './registry.ts'
import { type RequestOptions, unavailable } from './requests.ts'
import type { SubmissionOptions } from './submission/submissions.ts'

export const DEFAULT_SERVER = 'nats://127.0.0.1:4222'

export interface SystemOptions extends SubmissionOptions, TaskDistributorOptions {
  /** Default: NATS_URL, else nats://127.0.0.1:4222. */
  servers?: string | string[] | undefined
  /** For the server. */
  token?: string | undefined
  /** Shown in the server's list of connections; default `poolmesh-client`. */
  name?: string | undefined
  /** Asked for pools once, at the start; what fails is in `discovery`. */
  discoveryEndpoints?: string[] | undefined
  /** Seconds between two checks of a pool. Of an embedded system; running services have their own settings. */
  healthCheckInterval?: number | undefined
  /** Seconds that a pool has to answer a check. Of an embedded system. */
  healthCheckTimeout?: number | undefined
  /**
   * `auto` (default): a system in this process where no server was named (by `servers` or NATS_URL) and nothing runs at
   * the usual address. `never`: only running services. `always`: only a system in this process.
   */
  embedded?: 'auto' | 'never' | 'always' | undefined
  /** Folder of the embedded server; default: a temporary one, gone at the end. */
  dataDir?: string | undefined
  /** Milliseconds to wait for the connection; default 5,000. */
  connectTimeoutMs?: number | undefined
}

export interface DistributedPoolSystem extends AsyncDisposable {
  readonly registry: PoolRegistry
  readonly executor: DistributedTaskExecutor
  readonly distributor: TaskDistributor
  readonly monitor: PoolHealthMonitor
  /** The connection that all four use; closed with the system. */
  readonly connection: NatsConnection
  /** Where the server is. */
  readonly url: string
  /** True: the services run in this process and end with it. */
  readonly embedded: boolean
  /** What the discovery at the start found; null without `discoveryEndpoints`. */
  readonly discovery: DiscoverReply | null
  /**
   * Searches what tasks came to: recent results, Session-Buddy and Akosha. A source that does not answer is in `failed`.
   * @param limit hits at most; default 10, at most 100
   * @throws PoolmeshError UNAVAILABLE where the memory service does not run
   */
  searchMemory(query: string, limit?: number, options?: RequestOptions): Promise<MemorySearchReply>
  close(): Promise<void>
}

/**
 * Connects to a running poolmesh or, where there is none, runs one in this process.
 * @throws PoolmeshError UNAVAILABLE when there is no server, or no services are at the usual address and `embedded` is
 *   `never`
 */
export async function createDistributedPoolSystem(
  options: SystemOptions = {},
): Promise<DistributedPoolSystem> {
  await using parts = new AsyncDisposableStack()
  const reached = await reach(options, parts)
  const { nc } = reached
  const registry = new PoolRegistry(nc, { discoveryEndpoints: options.discoveryEndpoints })
  const executor = parts.use(new DistributedTaskExecutor(nc, options))
  const distributor = new TaskDistributor(executor, options)
  const monitor = parts.use(new PoolHealthMonitor(nc))
  const discovery = options.discoveryEndpoints?.length ? await registry.discoverPools() : null
  const owned = parts.move()
  const close = async (): Promise<void> => await owned.disposeAsync()
  return {
    registry,
    executor,
    distributor,
    monitor,
    connection: nc,
    url: reached.url,
    embedded: reached.embedded,
    discovery,
    searchMemory: (query, limit, asked) => searchMemory(nc, query, limit, asked),
    close,
    [Symbol.asyncDispose]: close,
  }
}

interface Reached {
  nc: NatsConnection
  url: string
  embedded: boolean
}

async function reach(options: SystemOptions, parts: AsyncDisposableStack): Promise<Reached> {
  const named = options.servers ?? (process.env['NATS_URL']?.trim() || undefined)
  const embedded = options.embedded ?? 'auto'
  if (embedded === 'always') return await embed(options, parts)
  // Whoever names a server wants that one: tasks must not go to another without a word.
  if (named !== undefined) return await connectTo(named, options, parts)
  try {
    const nc = await open(DEFAULT_SERVER, options)
    try {
      // Any server may be at the usual address; poolmesh is there if its registry answers.
      await new PoolRegistry(nc).getRegistryStats()
    } catch (error) {
      await nc.close()
      throw error
    }
    parts.defer(() => nc.close())
    return { nc, url: DEFAULT_SERVER, embedded: false }
  } catch (error) {
    const nothingRuns = error instanceof PoolmeshError && error.code === 'UNAVAILABLE'
    if (embedded === 'never' || !nothingRuns) throw error
    return await embed(options, parts)
  }
}

const open = (servers: string | string[], options: SystemOptions): Promise<NatsConnection> =>
  connectBus({
    servers,
    name: options.name ?? 'poolmesh-client',
    token: options.token,
    ...(options.connectTimeoutMs === undefined ? {} : { connectTimeoutMs: options.connectTimeoutMs }),
  })

async function connectTo(
  servers: string | string[],
  options: SystemOptions,
  parts: AsyncDisposableStack,
): Promise<Reached> {
  const nc = await open(servers, options)
  parts.defer(() => nc.close())
  return { nc, url: [servers].flat().join(','), embedded: false }
}

async function embed(options: SystemOptions, parts: AsyncDisposableStack): Promise<Reached> {
  const host = await startEmbeddedHost(options).catch((cause: unknown) => {
    if (cause instanceof PoolmeshError) throw cause
    throw unavailable(`no system could be started in this process: ${(cause as Error).message}`, cause)
  })
  parts.use(host)
  return { ...(await connectTo(host.url, { ...options, token: undefined }, parts)), embedded: true }
}
