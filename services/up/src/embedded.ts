// The whole system in one process: a real nats-server as a child, and the services beside the caller's code.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { NatsConnection } from '@nats-io/transport-node'
import {
  connectBus,
  ensureTopology,
  type Logger,
  loadSettings,
  type Settings,
  silentLogger,
  startNatsServer,
  topologyOf,
} from '@poolmesh/bus'
import { ProcessMetrics } from './process-metrics.ts'
import { coreServicesOf, loadService, type ServiceName } from './services.ts'

export interface EmbeddedOptions {
  /** Folder of the server's files. Default: a temporary one, removed at the end. */
  dataDir?: string | undefined
  /** Port of the server; 0 or nothing: any free one. */
  port?: number | undefined
  /** Default: environment over file over default, as everywhere. */
  settings?: Settings | undefined
  /** Default: says nothing. */
  log?: Logger | undefined
  /** Default: the four that tasks need, and memory where the settings have it collect results. */
  services?: readonly ServiceName[] | undefined
}

export interface EmbeddedSystem extends AsyncDisposable {
  readonly url: string
  /** A connection to the server, closed with the system. */
  readonly nc: NatsConnection
  readonly settings: Settings
}

/**
 * Starts a server and the services; all of it answers when the promise resolves. Disposing stops the services, then
 * the server.
 * @throws PoolmeshError when the port or the folder cannot be used, or there is no nats-server for this platform
 */
export async function startEmbedded(options: EmbeddedOptions = {}): Promise<EmbeddedSystem> {
  const settings = options.settings ?? loadSettings()
  const log = options.log ?? silentLogger()
  await using starting = new AsyncDisposableStack()
  let dataDir = options.dataDir
  if (dataDir === undefined) {
    const temporary = await mkdtemp(join(tmpdir(), 'poolmesh-'))
    starting.defer(() => rm(temporary, { recursive: true, force: true }))
    dataDir = temporary
  }
  const server = await startNatsServer({ port: options.port ?? 0, dataDir, sync: settings.poolmesh.sync })
  starting.use(server)
  const connect = async (name: string): Promise<NatsConnection> => {
    const nc = await connectBus({ servers: server.url, name })
    starting.defer(() => nc.close())
    return nc
  }
  const nc = await connect('poolmesh-embedded')
  await ensureTopology(nc, topologyOf(settings))
  const names = options.services ?? coreServicesOf(settings)
  const metrics = new ProcessMetrics(names)
  for (const name of names) {
    const start = await loadService(name)
    // A connection each, as in processes of their own: what one service sends never waits behind another's.
    const context = {
      nc: await connect(`poolmesh-${name}`),
      settings,
      log: log.child({ service: name }),
      metrics: metrics.sources,
    }
    metrics.connection(name, context.nc)
    starting.use(await start(context))
  }
  starting.use(await metrics.serve(settings, log))
  const running = starting.move()
  return { url: server.url, nc, settings, [Symbol.asyncDispose]: () => running.disposeAsync() }
}
