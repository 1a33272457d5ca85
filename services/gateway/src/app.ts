// The HTTP server: who may ask, what is served, and how errors look. See http/route.ts for how a route is written.
import { toPoolmeshError } from '@poolmesh/bus'
import { PoolmeshError } from '@poolmesh/types'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Gateway } from './context.ts'
import { Bodies } from './http/bodies.ts'
import { limitConnections, serverOptions } from './http/connections.ts'
import { openGuard } from './http/guard.ts'
import { API_HEADERS } from './http/headers.ts'
import { pathOf } from './http/path.ts'
import { HttpFault, headersOf, PROBLEM_TYPE, problemOf } from './http/problem.ts'
import { methodsAt, serveRoutes } from './http/serve-routes.ts'
import type { Plug } from './plugs.ts'
import type { Readiness } from './readiness.ts'
import { routesOf } from './routes.ts'

/** @param plugs asked in their order for what no route serves */
export async function buildApp(
  gateway: Gateway,
  probe: () => Promise<Readiness>,
  plugs: readonly Plug[],
): Promise<FastifyInstance> {
  const { settings, log, limits } = gateway
  const guard = openGuard(settings.poolmesh.http_host, settings.poolmesh.http_token)
  const app = Fastify({
    logger: false,
    ...serverOptions(limits),
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 256 },
    return503OnClosing: true,
    frameworkErrors: (error, request, reply) =>
      void sendProblem(reply.headers(API_HEADERS), request, asFault(error, gateway, request)),
  })
  limitConnections(app, limits)
  // Bodies are read by whoever knows how large they may be.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))
  gateway.traces?.watch(app)
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(API_HEADERS)
    guard.check(request.raw, pathOf(request))
  })
  app.setErrorHandler((error, request, reply) =>
    sendProblem(reply, request, asFault(error, gateway, request)),
  )
  const bodies = new Bodies(limits)
  const routes = routesOf(gateway, probe, bodies.room)
  serveRoutes(app, routes, bodies)
  for (const plug of plugs) await plug.mount?.(app, bodies)
  app.setNotFoundHandler(async (request, reply) => {
    const path = pathOf(request)
    if (request.method === 'GET' || request.method === 'HEAD')
      for (const plug of plugs) {
        const page = await plug.page?.(path, String(request.headers['accept-encoding'] ?? ''))
        if (page) return reply.code(page.status).headers(page.headers).send(page.body)
      }
    const methods = methodsAt(routes, path)
    // Of no other origin: there are no CORS headers.
    if (request.method === 'OPTIONS' && methods.length > 0)
      return reply
        .code(204)
        .header('allow', ['OPTIONS', ...methods].join(', '))
        .send()
    return sendProblem(
      reply,
      request,
      methods.length === 0
        ? new PoolmeshError('NOT_FOUND', `there is nothing at ${path.slice(0, 200)}`)
        : new HttpFault(405, 'INVALID_INPUT', `${request.method} is not served here`, {
            allow: methods.join(', '),
          }),
    )
  })
  log.debug({ routes: routes.length }, 'the routes are there')
  await app.ready()
  return app
}

function sendProblem(reply: FastifyReply, request: FastifyRequest, error: PoolmeshError): FastifyReply {
  const problem = problemOf(error, pathOf(request))
  return reply
    .code(problem.status)
    .headers(headersOf(error))
    .type(PROBLEM_TYPE)
    .send(`${JSON.stringify(problem)}\n`)
}

/** Fastify's own errors tell a status: what is below 500 is the caller's. */
function asFault(error: unknown, { log }: Gateway, request: FastifyRequest): PoolmeshError {
  if (error instanceof PoolmeshError) return error
  const status = (error as { statusCode?: unknown }).statusCode
  if (typeof status === 'number' && status >= 400 && status < 500)
    return new HttpFault(status, status === 404 ? 'NOT_FOUND' : 'INVALID_INPUT', (error as Error).message)
  return toPoolmeshError(error, log, `${request.method} ${pathOf(request)}`)
}
