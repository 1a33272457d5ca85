// HTTP for people and programs, on loopback unless told otherwise. It decides nothing: it asks and tells what is on the bus.
import { jetstreamManager } from '@nats-io/jetstream'
import { requirePort, type StartService, serve } from '@poolmesh/bus'
import { DistributedTaskExecutor, PoolHealthMonitor, PoolRegistry } from '@poolmesh/client'
import { openPage } from '@poolmesh/web'
import { buildApp } from './app.ts'
import type { Gateway } from './context.ts'
import { Live } from './live/live.ts'
import type { Plug } from './plugs.ts'
import { readinessProbe } from './readiness.ts'

/**
 * Serves on `POOLMESH_HTTP_HOST` and `POOLMESH_HTTP_PORT`. The streams and buckets have to be there (`ensureTopology`).
 * @throws PoolmeshError INVALID_SETTING when the port is taken, or others than this machine could ask without a token
 */
export const startGateway: StartService = async (context) => {
  const { nc, settings, log } = context
  const { http_host: host, http_port: port, heartbeat_interval, heartbeats_missed } = settings.poolmesh
  await requirePort(port, host, 'POOLMESH_HTTP_PORT')
  await using parts = new AsyncDisposableStack()
  const executor = parts.use(new DistributedTaskExecutor(nc))
  const live = parts.use(
    await Live.open({ nc, executor, log, heartbeatValidMs: heartbeat_interval * heartbeats_missed * 1_000 }),
  )
  const gateway: Gateway = {
    ...context,
    jsm: await jetstreamManager(nc, { checkAPI: false }),
    executor,
    registry: new PoolRegistry(nc),
    monitor: parts.use(new PoolHealthMonitor(nc)),
    live,
  }
  // Built where it is not there yet, which nobody waits for: until then it says so.
  const page = openPage(log)
  const web: Plug = { page: (path, acceptEncoding) => page.answer(path, acceptEncoding) }
  const app = await buildApp(gateway, readinessProbe(nc), [web])
  // Streams of events and requests that wait are ended first: nobody waits for them.
  parts.defer(() => app.close())
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
