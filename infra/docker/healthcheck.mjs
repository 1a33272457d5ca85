// The health check of an image, run inside the container: the gateway has to answer over HTTP, any other service on
// the bus, as a micro service. Ends with 1 and one line that says why when it does not.
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'

enableCompileCache(join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'compiled'))
const { connectBus, loadSettings } = await import('@poolmesh/bus')

/** Below the time-out of HEALTHCHECK, so that the reason is told. */
const LIMIT_MS = 3_000
const service = process.env.SERVICE

async function askGateway({ http_host, http_port }) {
  const host = http_host === '0.0.0.0' ? '127.0.0.1' : http_host === '::' ? '::1' : http_host
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${http_port}/healthz`
  const response = await fetch(url, { signal: AbortSignal.timeout(LIMIT_MS) })
  if (response.status !== 200) throw new Error(`${url} answers ${response.status}`)
}

async function askBus({ natsUrl, poolmesh }) {
  const nc = await connectBus({
    servers: natsUrl ?? `nats://127.0.0.1:${poolmesh.nats_port}`,
    name: `poolmesh-${service}-healthcheck`,
    token: poolmesh.nats_token,
    connectTimeoutMs: LIMIT_MS,
  })
  await nc.request(`$SRV.PING.poolmesh-${service}`, '', { timeout: LIMIT_MS })
}

try {
  const settings = loadSettings()
  await (service === 'gateway' ? askGateway(settings.poolmesh) : askBus(settings))
  process.exit(0)
} catch (error) {
  process.stderr.write(`unhealthy: ${error instanceof Error ? error.message : error}\n`)
  process.exit(1)
}
