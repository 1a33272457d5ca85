// A whole system with a gateway before it, spoken to over HTTP.
import { connectBus, freePort, loadSettings, type MetricsSink, silentLogger } from '@poolmesh/bus'
import { type EmbeddedSystem, startEmbedded } from '@poolmesh/up'
import { startLimited } from '../src/gateway.ts'
import { LIMITS, type Limits } from '../src/limits.ts'

export interface Served extends AsyncDisposable {
  system: EmbeddedSystem
  url: string
  /** How many listen to events, as the gateway's metrics tell it. */
  listeners(): Promise<number>
  /** A GET without a body; everything else sends JSON. */
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Replied>
}
interface Replied {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: what a test says of it is what it is held to
  body: any
}

/** @param limits that are other than in use */
export async function startServed(
  env: Record<string, string> = {},
  limits: Partial<Limits> = {},
): Promise<Served> {
  await using parts = new AsyncDisposableStack()
  const port = await freePort()
  const sources: Parameters<MetricsSink['source']>[0][] = []
  const metrics: MetricsSink = { source: (source) => void sources.push(source) }
  const settings = loadSettings({ POOLMESH_SYNC: '1m', POOLMESH_HTTP_PORT: String(port), ...env }, '')
  const system = parts.use(await startEmbedded({ settings }))
  const nc = await connectBus({ servers: system.url, name: 'gateway' })
  parts.defer(() => nc.close())
  parts.use(await startLimited({ nc, settings, log: silentLogger(), metrics }, { ...LIMITS, ...limits }))
  const url = `http://127.0.0.1:${port}`
  const owned = parts.move()
  return {
    system,
    url,
    async ask(method, path, body, headers = {}) {
      const response = await fetch(url + path, {
        method,
        headers: { ...(method === 'GET' ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      })
      const text = await response.text()
      return {
        status: response.status,
        headers: response.headers,
        body:
          text !== '' && /\/(problem\+)?json/.test(response.headers.get('content-type') ?? '')
            ? JSON.parse(text)
            : text,
      }
    },
    async listeners() {
      let count = Number.NaN
      for (const source of sources)
        await source((name, value) => {
          if (name === 'poolmesh_gateway_listeners') count = Number(value)
        })
      return count
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
