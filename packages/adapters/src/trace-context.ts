// The trace that a task belongs to, as pools are told of it.
import type { DistributedTask } from '@poolmesh/types'

/** `traceparent` of W3C's Trace Context, where the task has one that may stand in a header. */
export function traceHeaders({ metadata }: DistributedTask): { traceparent?: string } {
  const { traceparent } = metadata
  return typeof traceparent === 'string' && /^[\da-f-]{55,512}$/.test(traceparent) ? { traceparent } : {}
}
