// The supervisor: broker, services and demonstration pools as child processes, started and stopped in order.
import { join } from 'node:path'
import { connectBus, ensureTopology, requirePort, type Settings, topologyOf } from '@poolmesh/bus'
import { keepBroker } from './broker.ts'
import { type Child, startChild } from './child.ts'
import { durabilityLine, ignoredSync } from './durability.ts'
import { Output } from './output.ts'
import { runProcess, type Started } from './run-process.ts'
import { servicesOf } from './services.ts'
import { authorizationOf, loadEnabledSettings } from './settings.ts'

/** How long the pools have to drain before they are killed. */
const POOLS_STOP_MS = 4_000
/** When, after the first of it, the services are killed: the broker's turn comes last, and all of it is over in 10 s. */
const SERVICES_STOPPED_MS = 8_000

/** Runs until SIGINT or SIGTERM. What people read goes to standard output, the log to standard error. */
export async function up(): Promise<void> {
  await runProcess((running) => start(running))
}

async function start(running: AsyncDisposableStack): Promise<Started> {
  const settings = loadEnabledSettings()
  const output = new Output(settings)
  try {
    await startAll(running, settings, output)
  } catch (error) {
    output.failed()
    throw error
  }
  output.started()
  return { log: { fatal: output.notice } }
}

async function startAll(running: AsyncDisposableStack, settings: Settings, output: Output): Promise<void> {
  const httpPort = settings.poolmesh.http_port
  await requirePort(httpPort, '127.0.0.1', 'POOLMESH_HTTP_PORT')
  const { metrics_host, metrics_port } = settings.poolmesh
  if (metrics_port !== 0) await requirePort(metrics_port, metrics_host, 'POOLMESH_METRICS_PORT')
  const ignored = ignoredSync(settings)
  if (ignored !== null) output.notice(ignored)
  const server = settings.natsUrl ?? (await startBroker(running, settings, output.notice))
  const token = settings.poolmesh.nats_token
  const nc = await connectBus({ servers: server, name: 'poolmesh-up', token })
  running.defer(() => nc.close())
  const copies = await ensureTopology(nc, topologyOf(settings))

  // The supervisor serves the metrics of all.
  const env = {
    ...process.env,
    NATS_URL: server,
    POOLMESH_LOG_LEVEL: output.level,
    POOLMESH_METRICS_PORT: '0',
  }
  const child = (name: string, file: string, ...args: string[]): Child =>
    startChild({
      name,
      args: [join(import.meta.dirname, file), ...args],
      env,
      onLine: output.line,
      onNotice: output.notice,
    })
  const names = servicesOf(settings)
  const services = names.map((name) => child(name, 'service.ts', name))
  const pools: Child[] = []
  running.defer(async () => {
    const began = performance.now()
    await Promise.all(pools.map((one) => one.stop(POOLS_STOP_MS)))
    const left = SERVICES_STOPPED_MS - (performance.now() - began)
    await Promise.all(services.map((one) => one.stop(left)))
  })
  const ready = Promise.all(services.map((one) => one.ready))
  // A pool that finds no registry says so, and warnings are nothing to welcome people with.
  await Promise.race([services[names.indexOf('registry')]?.ready, ready])
  if (settings.poolmesh.demo) pools.push(child('demonstration pools', 'demo.ts'))
  await Promise.all([ready, ...pools.map((one) => one.ready)])

  if (metrics_port !== 0) running.use(await serveMetricsOf(services, settings))

  const address = `nats://${nc.getServer()}`
  if (settings.poolmesh.demo) await showSample(server, token)
  process.stdout.write(`${durabilityLine(settings, copies)}\n`)
  process.stdout.write(`ready ${address} http://127.0.0.1:${httpPort} (Ctrl-C stops)\n`)
}

/** Loaded only here: without the demonstration the supervisor needs neither the client nor the pools. */
async function showSample(server: string, token: string | undefined): Promise<void> {
  const [{ runSample }, { textPool, dataPool }] = await Promise.all([
    import('./sample.ts'),
    import('@poolmesh/example-pools'),
  ])
  const poolNames = [textPool.name, dataPool.name]
  await runSample({ server, token, poolNames, write: (text) => process.stdout.write(text) })
}

/** One address for all services. */
async function serveMetricsOf(services: readonly Child[], settings: Settings): Promise<AsyncDisposable> {
  const { loadRegistry, serveMetrics } = await import('@poolmesh/metrics')
  const { mergedText } = await loadRegistry()
  const server = await serveMetrics(settings.poolmesh, async () =>
    mergedText(await Promise.all(services.map((one) => one.metrics()))),
  )
  process.stdout.write(`metrics ${server.url}\n`)
  return server
}

async function startBroker(
  running: AsyncDisposableStack,
  settings: Settings,
  onNotice: (line: string) => void,
): Promise<string> {
  const { nats_port, data_dir, sync } = settings.poolmesh
  const broker = await keepBroker(
    { port: nats_port, dataDir: data_dir, sync, extraConfig: authorizationOf(settings) },
    onNotice,
  )
  running.use(broker)
  return broker.url
}
