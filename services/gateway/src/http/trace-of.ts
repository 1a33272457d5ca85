// The trace that what a request submits belongs to.
import type { TraceContext } from '@poolmesh/bus'
import { isJsonObject } from '@poolmesh/types'
import type { FastifyRequest } from 'fastify'
import type { HttpTraces } from './traces.ts'

const TRACEPARENT = /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/
/** W3C says 512 characters at least. */
const TRACESTATE = /^[\x20-\x7e]{1,512}$/

/** The request's own span; where there is none, the caller's. What is no `traceparent` is passed over, as W3C has it. */
export function traceOf(request: FastifyRequest, traces: HttpTraces | null): TraceContext | undefined {
  const own = traces?.contextOf(request)
  if (own) return own
  const { traceparent, tracestate } = request.headers
  if (typeof traceparent !== 'string' || !TRACEPARENT.test(traceparent)) return undefined
  return typeof tracestate === 'string' && TRACESTATE.test(tracestate)
    ? { traceparent, tracestate }
    : { traceparent }
}

/** The task in that trace. What it names itself stands. */
export function inTrace(task: unknown, trace: TraceContext | undefined): unknown {
  if (trace === undefined || !isJsonObject(task)) return task
  const metadata = task['metadata'] ?? {}
  if (!isJsonObject(metadata) || metadata['traceparent'] !== undefined) return task
  return { ...task, metadata: { ...metadata, ...trace } }
}
