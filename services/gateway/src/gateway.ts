// HTTP for people and programs, on loopback unless told otherwise. It decides nothing: it asks and tells what is on the bus.
import { type MetricsSink, requirePort, type StartService, serve } from '@poolmesh/bus'
import { DistributedTaskExecutor, PoolHealthMonitor, PoolRegistry } from '@poolmesh/client'
import { createMcpHandler, SpawnedPools } from '@poolmesh/mcp'
import { loadRegistry, MetricSources } from '@poolmesh/metrics'
import { activeTracing } from '@poolmesh/tracing'
import { openPage } from '@poolmesh/web'
import { buildApp } from './app.ts'
import type { Gateway } from './context.ts'
import type { HttpTraces } from './http/traces.ts'
import { LIMITS, type Limits } from './limits.ts'
import { Live } from './live/live.ts'
import { mcpPlug } from './mcp.ts'
import { systemMetrics } from './overview/metrics.ts'
import type { Plug } from './plugs.ts'
import { readinessProbe } from './readiness.ts'

/**
 * Serves on `POOLMESH_HTTP_HOST` and `POOLMESH_HTTP_PORT`. The streams and buckets have to be there (`ensureTopology`).
 * @throws PoolmeshError INVALID_SETTING when the port is taken, or others than this machine could ask without a token
 */
export const startGateway: StartService = (context) => startLimited(context, LIMITS)

export async function startLimited(
  context: Parameters<StartService>[0],
  limits: Limits,
): ReturnType<StartService> {
  const { nc, settings, log } = context
  const { http_host: host, http_port: port, heartbeat_interval, heartbeats_missed } = settings.poolmesh
  await requirePort(port, host, 'POOLMESH_HTTP_PORT')
  await using parts = new AsyncDisposableStack()
  const executor = parts.use(new DistributedTaskExecutor(nc))
  const registry = new PoolRegistry(nc)
  const url = nc.getServer().replace(/^(?!\w+:\/\/)/, 'nats://')
  // Its processes are drained late, when nobody can start more.
  const spawned = parts.use(await SpawnedPools.open({ nc, registry, executor, settings, log, url }))
  const live = parts.use(
    await Live.open({
      nc,
      executor,
      log,
      limits,
      heartbeatValidMs: heartbeat_interval * heartbeats_missed * 1_000,
    }),
  )
  const tellSystem = systemMetrics(live, executor)
  context.metrics?.source(tellSystem)
  context.metrics?.source((tell) => tell('poolmesh_gateway_listeners', live.hub.size))
  const gateway: Gateway = {
    ...context,
    executor,
    registry,
    monitor: parts.use(new PoolHealthMonitor(nc)),
    live,
    traces: await openTraces(),
    limits,
    metricsText: await metricsTextOf(tellSystem),
  }
  // Built where it is not there yet, which nobody waits for: until then it says so.
  const page = openPage(log)
  const web: Plug = { page: (path, acceptEncoding) => page.answer(path, acceptEncoding) }
  const mcp = createMcpHandler({ ...gateway, spawned })
  const app = await buildApp(gateway, readinessProbe(nc), [web, mcpPlug(mcp)])
  // Streams of events and requests that wait are ended first: nobody waits for them.
  parts.defer(() => app.close())
  parts.use(mcp)
  parts.defer(() => live.hub[Symbol.dispose]())
  await app.listen({ host, port, backlog: 4_096 })
  parts.use(
    await serve(nc, {
      name: 'poolmesh-gateway',
      description: 'HTTP for people and programs',
      log,
      endpoints: [],
    }),
  )
  log.info({ url: `http://${host.includes(':') ? `[${host}]` : host}:${port}` }, 'listening')
  return parts.move()
}

/** Loaded only where traces are on. */
async function openTraces(): Promise<HttpTraces | null> {
  const tracing = activeTracing()
  return tracing && new (await import('./http/traces.ts')).HttpTraces(tracing)
}

async function metricsTextOf(tell: Parameters<MetricsSink['source']>[0]): Promise<() => Promise<string>> {
  const sources = new MetricSources()
  sources.source(tell)
  const { Metrics } = await loadRegistry()
  const metrics = new Metrics({ sources, tellers: ['system'] })
  return () => metrics.text()
}
