import { type McpSession, McpSessions, mcpServerAt } from '@poolmesh/adapters'
import {
  followPools,
  maxPayload,
  type ServiceContext,
  type Settings,
  type StartService,
  serve,
} from '@poolmesh/bus'
import { isRegisteredPool, PoolCatalog } from '@poolmesh/core'
import { Discovery } from './discovery.ts'
import { Drains } from './drains.ts'
import { descriptorSchema, endpoints, type IgnoredHeartbeats } from './endpoints.ts'
import { InOrder } from './in-order.ts'
import { PoolChanges, registryMetrics } from './metrics.ts'
import { PoolEvents } from './pool-events.ts'
import { PoolStore } from './pool-store.ts'
import { Registrar } from './registrar.ts'

/** How long stopping waits for changes that are being stored. */
const STOP_MS = 5_000
/** Between two looks for sessions with MCP servers that nobody uses any more. */
const SWEEP_MS = 30_000

/**
 * Starts the registry: it keeps the pools of the bucket POOLS and answers for them. Any number of processes may run,
 * each with all pools in memory. The streams and buckets have to be there (`ensureTopology`).
 */
export const startRegistry: StartService = async ({ nc, settings, log, metrics }) => {
  await using parts = new AsyncDisposableStack()
  const { heartbeat_interval, heartbeats_missed, check_timeout } = settings.poolmesh
  const catalog = new PoolCatalog(heartbeat_interval * heartbeats_missed * 1_000)
  const store = parts.use(await PoolStore.open(nc, catalog))
  const inOrder = new InOrder()
  const registrar = new Registrar(catalog, store, parts.use(new PoolEvents(nc, log)), inOrder)
  const ignoredHeartbeats: IgnoredHeartbeats = { unknown_pool: 0, malformed: 0 }
  const changes = new PoolChanges()
  parts.use(await follow({ nc, settings, log }, catalog, ignoredHeartbeats, changes))
  metrics?.source(registryMetrics({ catalog, changes, ignoredHeartbeats }))
  parts.defer(() => Promise.race([inOrder.idle(), afterMs(STOP_MS)]))
  parts.use(new Drains(nc, catalog, registrar, log))

  const stopAsking = new AbortController()
  const maxReply = (): number => maxPayload(nc)
  const schema = descriptorSchema(settings.pools.max_workers)
  const discovery = new Discovery(nc, catalog, registrar, {
    schema,
    maxPoolBytes: Math.floor(maxReply() / 2),
    timeoutMs: check_timeout * 1_000,
    signal: stopAsking.signal,
    session: openSessions(settings, parts),
  })
  const service = await serve(nc, {
    name: 'poolmesh-registry',
    description: 'Registers pools, and finds them by name, capability, region and type',
    log,
    endpoints: endpoints({
      catalog,
      store,
      registrar,
      discovery,
      discoveryEndpoints: settings.poolmesh.discovery_endpoints,
      ignoredHeartbeats,
      maxReply,
      descriptor: schema,
    }),
  })
  parts.use(service)
  parts.use(discoverRegularly({ nc, settings, log }, discovery))
  parts.defer(() => stopAsking.abort())
  log.info({ pools: catalog.size }, 'the registry is ready')
  return parts.move()
}

/** Hears of every change of the stored pools and of their health, and of every heartbeat. */
function follow(
  { nc, log }: ServiceContext,
  catalog: PoolCatalog,
  ignored: IgnoredHeartbeats,
  changes: PoolChanges,
): Promise<AsyncDisposable> {
  return followPools(
    nc,
    {
      upserted(pool, revision) {
        catalog.heard(revision)
        if (!isRegisteredPool(pool)) throw new TypeError('no pool')
        catalog.put(pool, revision)
        changes.upserted(pool.name, pool.max_workers)
      },
      removed(name, revision) {
        catalog.remove(name, revision)
        catalog.heard(revision)
        changes.removed(name)
      },
      ready: () => changes.ready(),
      health: (name, health) => catalog.judge(name, health),
      heartbeat(name, workers, queued) {
        if (!catalog.heartbeat(name, workers, queued, performance.now())) ignored.unknown_pool++
      },
    },
    (subject) => {
      if (subject.startsWith('pool.heartbeat.')) ignored.malformed++
      else log.warn({ subject }, 'what is stored there makes no sense and is left out')
    },
  )
}

/** Sessions with the MCP servers that are asked for pools. */
function openSessions({ poolmesh }: Settings, parts: AsyncDisposableStack): (address: string) => McpSession {
  const sessions = new McpSessions()
  const sweeping = setInterval(() => sessions.sweep(), SWEEP_MS)
  parts.defer(async () => {
    clearInterval(sweeping)
    await sessions.close()
  })
  return (address) => sessions.of(mcpServerAt(address, poolmesh.http_headers))
}

/** At once and then every `check_interval`, when the settings name endpoints. */
function discoverRegularly({ settings, log }: ServiceContext, discovery: Discovery): Disposable {
  const { discovery_endpoints, check_interval } = settings.poolmesh
  const stops = new DisposableStack()
  if (discovery_endpoints.length === 0) return stops
  let running = false
  const discover = async (): Promise<void> => {
    if (running) return
    running = true
    try {
      const found = await discovery.run(discovery_endpoints)
      for (const { endpoint, reason } of found.failed) log.warn({ endpoint, reason }, 'discovery failed')
    } catch (error) {
      log.error({ err: error }, 'discovery failed')
    } finally {
      running = false
    }
  }
  void discover()
  const timer = setInterval(() => void discover(), check_interval * 1_000)
  stops.defer(() => clearInterval(timer))
  return stops
}

const afterMs = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms).unref()
  })
