// A span for each HTTP request, by OpenTelemetry's conventions for servers. Where traces are off, nothing of this is loaded.
import type { IncomingMessage } from 'node:http'
import type { TraceContext } from '@poolmesh/bus'
import type { Tracing } from '@poolmesh/tracing'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { pathOf } from './path.ts'

type Span = ReturnType<Tracing['start']>

/** Asked every few seconds by machines, of whom nobody wants to know. */
const PROBES: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics'])
const METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  'PATCH',
  'QUERY',
])
/** Characters of what the caller says, in an attribute. */
const MAX_TEXT = 256

export class HttpTraces {
  readonly #tracing: Tracing
  readonly #spans = new WeakMap<IncomingMessage, Span>()

  constructor(tracing: Tracing) {
    this.#tracing = tracing
  }

  /** Add it before whatever may refuse a request. */
  watch(app: FastifyInstance): void {
    app.addHook('onRequest', (request, reply, done) => {
      if (isOfInterest(request)) this.#tracing.run(this.#begin(request, reply), done)
      else done()
    })
  }

  /** What tasks are to have in their metadata that are submitted by the request. */
  contextOf({ raw }: FastifyRequest): TraceContext | undefined {
    const span = this.#spans.get(raw)
    if (!span) return undefined
    const traceparent = this.#tracing.traceparentOf(span)
    const tracestate = span.spanContext().traceState?.serialize()
    return tracestate ? { traceparent, tracestate } : { traceparent }
  }

  tell({ raw }: FastifyRequest, attributes: Record<string, string | number>): void {
    this.#spans.get(raw)?.setAttributes(attributes)
  }

  #begin(request: FastifyRequest, reply: FastifyReply): Span {
    const { raw, headers, method, routeOptions } = request
    const known = METHODS.has(method) ? method : '_OTHER'
    const route = routeOf(routeOptions.url)
    const agent = headers['user-agent']?.slice(0, MAX_TEXT)
    const span = this.#tracing.start(route === undefined ? known : `${known} ${route}`, {
      kind: 'server',
      parent: this.#tracing.parentOf(headers),
      attributes: {
        'http.request.method': known,
        'url.path': pathOf(request).slice(0, MAX_TEXT),
        'url.scheme': 'http',
        'network.protocol.version': raw.httpVersion,
        'client.address': request.ip,
        'server.address': request.hostname,
        ...(request.port === null ? {} : { 'server.port': request.port }),
        ...(route === undefined ? {} : { 'http.route': route }),
        ...(agent === undefined ? {} : { 'user_agent.original': agent }),
      },
    })
    this.#spans.set(raw, span)
    reply.raw.once('close', () => this.#end(span, reply))
    return span
  }

  /** Also where the answer was a stream, or the caller went away. */
  #end(span: Span, { raw }: FastifyReply): void {
    const status = raw.statusCode
    if (raw.headersSent) span.setAttribute('http.response.status_code', status)
    if (raw.headersSent && status >= 500) {
      span.setAttribute('error.type', String(status))
      this.#tracing.failed(span)
    } else if (!raw.writableFinished && !isEventStream(raw.getHeader('content-type'))) {
      span.setAttribute('error.type', 'aborted')
      this.#tracing.failed(span, 'the caller went away before the answer was complete')
    }
    span.end()
  }
}

/** Not the files of the page. */
function isOfInterest(request: FastifyRequest): boolean {
  const path = pathOf(request)
  if (PROBES.has(path)) return false
  const { method, routeOptions } = request
  return routeOptions.url !== undefined || path.startsWith('/api/') || (method !== 'GET' && method !== 'HEAD')
}

/** As OpenAPI and the conventions write it. See serve-routes.ts for the other way. */
const routeOf = (url: string | undefined): string | undefined =>
  url?.replaceAll(/(?<!:):(\w+)/g, '{$1}').replaceAll('::', ':')

const isEventStream = (type: unknown): boolean => String(type).startsWith('text/event-stream')
