import { parseJson, validate } from '@poolmesh/types'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Bodies } from './bodies.ts'
import { checkMediaType } from './media-types.ts'
import type { Route } from './route.ts'

const BODY_LIMIT = 1024 ** 2

/** Fastify's form of the path: a colon of ours is doubled, `{id}` becomes `:id`. */
const fastifyPath = (path: string): string => path.replaceAll(':', '::').replaceAll(/\{(\w+)\}/g, ':$1')

export function serveRoutes(app: FastifyInstance, routes: readonly Route[], bodies: Bodies): void {
  for (const one of routes)
    app.route({
      method: one.method,
      url: fastifyPath(one.path),
      exposeHeadRoute: hasHead(one),
      handler: (request, reply) => answer(one, request, reply, bodies),
    })
}

/** A stream of events has no end that HEAD could wait for. */
const hasHead = ({ method, answers }: Route): boolean =>
  method === 'GET' && !Object.values(answers).some(isStream)
const isStream = (answer: { type?: string }): boolean => answer.type === 'text/event-stream'

async function answer(
  one: Route,
  request: FastifyRequest,
  reply: FastifyReply,
  bodies: Bodies,
): Promise<unknown> {
  const what = `the request to ${one.path}`
  const params = one.params && validate(one.params, request.params, what)
  const query = one.query && validate(one.query, request.query, what)
  const [status] = Object.keys(one.answers).map(Number)
  reply.code(status ?? 200)
  if (one.body) checkMediaType(request.headers, one.bodyType)
  let body: unknown
  if (one.body && one.bodyType === undefined) {
    const text = await bodies.read(request.raw, one.bodyLimit ?? BODY_LIMIT)
    const given = text === '' ? {} : parseJson(text, 'the body')
    body = one.checksBody === false ? given : validate(one.body, given, 'the body')
  }
  const value = await one.handle({ params, query, body, request, reply })
  if (reply.sent) return reply
  if (value === undefined) return null
  return value
}

/** Methods that are served at the path; empty: nothing is. */
export function methodsAt(routes: readonly Route[], path: string): string[] {
  const found = routes.filter((one) => patternOf(one.path).test(path))
  return found.flatMap((one) => (hasHead(one) ? ['GET', 'HEAD'] : one.method)).sort()
}

const patternOf = (path: string): RegExp =>
  new RegExp(`^${path.replaceAll(/[.]/g, '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`)
