// The trace that a task belongs to, as pools are told of it.
import type { TraceContext } from '@poolmesh/bus'
import type { DistributedTask } from '@poolmesh/types'

/** W3C says 512 characters at least; whoever sends more may find it cut. */
const TRACESTATE = /^[\x20-\x7e]{1,512}$/

/** W3C's Trace Context, where the task has one that may stand in a header. */
export function traceHeaders({ metadata }: DistributedTask): TraceContext | Record<string, never> {
  const { traceparent, tracestate } = metadata ?? {}
  if (typeof traceparent !== 'string' || !/^[\da-f-]{55,512}$/.test(traceparent)) return {}
  return typeof tracestate === 'string' && TRACESTATE.test(tracestate)
    ? { traceparent, tracestate }
    : { traceparent }
}
