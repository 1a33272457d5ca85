// The health check of an image, run inside the container: the service has to answer on the bus as a micro service, this
// very process and not another of the same name, and the gateway over HTTP too. Fails with one line that says why
// when it does not.
import { enableCompileCache, flushCompileCache } from 'node:module'
import { hostname } from 'node:os'
import { join } from 'node:path'

enableCompileCache(join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'compiled'))
const { connectBus, loadSettings } = await import('@poolmesh/bus')

/** Below the time-out of HEALTHCHECK, so that the reason is told. */
const LIMIT_MS = 3_000
const PING_MS = 2_000
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
  const subject = `$SRV.PING.poolmesh-${service}`
  const answers = await nc.requestMany(subject, '', { strategy: 'timer', maxWait: PING_MS })
  for await (const answer of answers) if (answer.json().metadata?.host === hostname()) return
  throw new Error(`this ${service} does not answer on the bus`)
}

async function ask(settings) {
  await askBus(settings)
  if (service === 'gateway') await askGateway(settings.poolmesh)
}

try {
  const settings = loadSettings()
  // Looking up the name of a server that is gone may take longer than any time-out of connecting.
  const tooLong = new Promise((_, reject) =>
    setTimeout(() => reject(new Error(`no answer from NATS within ${LIMIT_MS / 1000} s`)), LIMIT_MS + 500),
  )
  await Promise.race([ask(settings), tooLong])
  process.exit(0)
} catch (error) {
  process.stderr.write(`unhealthy: ${error instanceof Error ? error.message : error}\n`)
  // What the build of the image starts this for.
  flushCompileCache()
  // Ending in order waits for a look-up that is under way, longer than HEALTHCHECK does.
  process.kill(process.pid, 'SIGKILL')
}
