import type { NatsConnection } from '@nats-io/transport-node'
import { type MemorySearchReply, SUBJECTS } from '@poolmesh/types'
import { ask, type RequestOptions } from './requests.ts'

/** The service gives its sources less than that, so that one which is silent does not take the others with it. */
const SEARCH_TIMEOUT_MS = 10_000

export const searchMemory = (
  nc: NatsConnection,
  query: string,
  limit?: number,
  options: RequestOptions = {},
): Promise<MemorySearchReply> =>
  ask(nc, SUBJECTS.memorySearch, limit === undefined ? { query } : { query, limit }, {
    timeoutMs: SEARCH_TIMEOUT_MS,
    ...options,
  })
