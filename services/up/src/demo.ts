// The two demonstration pools, in one process. `npm start` runs it; any pool of yours is started in the same way.
import { keepCompiled } from './compile-cache.ts'

keepCompiled()
const { dataPool, textPool } = await import('@poolmesh/example-pools')
const { createLogger } = await import('@poolmesh/bus')
const { startTracing } = await import('@poolmesh/tracing')
const { runProcess } = await import('./run-process.ts')
const { loadEnabledSettings, serverOf } = await import('./settings.ts')

/** Seconds that running tasks have to end; the supervisor waits a little longer. */
const DRAIN_S = 3

await runProcess(async (running) => {
  const settings = loadEnabledSettings()
  const log = createLogger('demo', settings.poolmesh.log_level)
  const tracing = await startTracing('poolmesh-demonstration', log)
  if (tracing) running.use(tracing)
  const servers = serverOf(settings)
  const options = { servers, log, handleSignals: false, drainTimeout: DRAIN_S }
  await Promise.all([textPool, dataPool].map(async (pool) => running.use(await pool.start(options))))
  log.info({ pools: [textPool.name, dataPool.name] }, 'ready')
  return { log }
})
