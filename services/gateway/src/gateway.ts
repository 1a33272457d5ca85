// HTTP for people and load balancers, on loopback unless told otherwise. It decides nothing: it says what answers on the bus.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { requirePort, type StartService, serve } from '@poolmesh/bus'
import type { ErrorCode } from '@poolmesh/types'
import { homePage } from './home.ts'
import { type Readiness, readinessProbe } from './readiness.ts'

/**
 * Serves on `POOLMESH_HTTP_HOST` and `POOLMESH_HTTP_PORT`.
 * @throws PoolmeshError INVALID_SETTING when the port is taken
 */
export const startGateway: StartService = async ({ nc, settings, log }) => {
  const { http_host: host, http_port: port } = settings.poolmesh
  const probe = readinessProbe(nc)
  const server = createServer((request, response) => {
    handle(request, response, probe).catch((error: unknown) => {
      log.error({ err: error, url: request.url }, 'unexpected failure')
      if (!response.headersSent) sendError(response, 500, 'INTERNAL', 'an unexpected failure, see the log')
      else response.destroy()
    })
  })
  await requirePort(port, host, 'POOLMESH_HTTP_PORT')
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const found = await serve(nc, {
    name: 'poolmesh-gateway',
    description: 'HTTP for people and load balancers',
    log,
    endpoints: [],
  })
  log.info({ url: `http://${host.includes(':') ? `[${host}]` : host}:${port}` }, 'listening')
  return {
    async [Symbol.asyncDispose]() {
      await found[Symbol.asyncDispose]()
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  probe: () => Promise<Readiness>,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD')
    return sendError(response, 405, 'INVALID_INPUT', `${request.method} is not served here`)
  }
  const [path = '/'] = (request.url ?? '/').split('?')
  if (path === '/healthz') return sendJson(response, 200, { status: 'up' })
  if (path === '/readyz') {
    const readiness = await probe()
    return sendJson(response, readiness.ready ? 200 : 503, readiness)
  }
  if (path === '/') return send(response, 200, 'text/html; charset=utf-8', homePage(await probe()))
  sendError(response, 404, 'NOT_FOUND', `there is nothing at ${path.slice(0, 200)}`)
}

const sendJson = (response: ServerResponse, status: number, body: unknown): void =>
  send(response, status, 'application/json', `${JSON.stringify(body)}\n`)

/** In the shape of a refusal on the bus. */
const sendError = (response: ServerResponse, status: number, code: ErrorCode, message: string): void =>
  sendJson(response, status, { error: { code, message, issues: [] } })

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
  })
  // Node leaves the body out of an answer to HEAD by itself.
  response.end(body)
}
