// `GET /metrics` of one process, on an address of its own.
import { createServer } from 'node:http'
import { requirePort } from '@poolmesh/bus'

export interface MetricsServer extends AsyncDisposable {
  readonly url: string
}

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/**
 * @param text made at each look; where it fails, the answer is 500 and says why
 * @throws PoolmeshError INVALID_SETTING when the port is taken
 */
export async function serveMetrics(
  { metrics_host: host, metrics_port: port }: { metrics_host: string; metrics_port: number },
  text: () => Promise<string>,
): Promise<MetricsServer> {
  await requirePort(port, host, 'POOLMESH_METRICS_PORT')
  const server = createServer((request, response) => {
    const answer = (status: number, body: string): void => {
      response.writeHead(status, { 'content-type': CONTENT_TYPE }).end(body)
    }
    const path = request.url?.split('?')[0]
    if (path !== '/metrics') return answer(404, 'GET /metrics\n')
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(405, 'GET /metrics\n')
    text().then(
      (body) => answer(200, body),
      (error: Error) => answer(500, `${error.message}\n`),
    )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, resolve)
  })
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}/metrics`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
