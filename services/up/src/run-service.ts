import { connectBus, createLogger, ensureTopology, topologyOf } from '@poolmesh/bus'
import { startTracing } from '@poolmesh/tracing'
import { ProcessMetrics } from './process-metrics.ts'
import { runProcess } from './run-process.ts'
import { loadService, readServiceName } from './services.ts'
import { loadEnabledSettings, serverOf } from './settings.ts'

/** Runs one service until it is told to stop. */
export async function runService(argument: string | undefined): Promise<void> {
  await runProcess(async (running) => {
    const name = readServiceName(argument)
    const settings = loadEnabledSettings()
    const log = createLogger(name, settings.poolmesh.log_level)
    const tracing = await startTracing(`poolmesh-${name}`, log)
    if (tracing) running.use(tracing)
    // Imported while the connection is made: both take their time.
    const loading = loadService(name)
    loading.catch(() => {})
    const nc = await connectBus({
      servers: serverOf(settings),
      name: `poolmesh-${name}`,
      token: settings.poolmesh.nats_token,
    })
    running.defer(() => nc.close())
    await ensureTopology(nc, topologyOf(settings))
    const start = await loading
    const metrics = new ProcessMetrics([name])
    metrics.connection(name, nc)
    running.use(await start({ nc, settings, log, metrics: metrics.sources }))
    running.use(await metrics.serve(settings, log))
    metrics.answerSupervisor()
    log.info({ pid: process.pid, server: nc.getServer() }, 'ready')
    return {
      log,
      ended: nc.closed().then((error) => `the connection to NATS was closed: ${error ?? 'by the server'}`),
    }
  })
}
