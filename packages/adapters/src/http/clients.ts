// A pool that answers when the task is done keeps a connection for each; short questions have some of their own, so that they
// never wait for those.
import { MAX_PAYLOAD_BYTES } from '@poolmesh/types'
import { HttpClient } from './exchange.ts'

export const WORK_CONNECTIONS = 256
export const SHORT_CONNECTIONS = 8
const KEEP_ALIVE_MS = 10_000
/** What a response may have at most: an output of the largest size and what is around it. */
export const MAX_RESPONSE_BYTES = MAX_PAYLOAD_BYTES + 64 * 1024

export interface Clients {
  work: HttpClient
  short: HttpClient
  close(): Promise<void>
}

export function clients(): Clients {
  const common = { keepAliveMs: KEEP_ALIVE_MS, maxResponseBytes: MAX_RESPONSE_BYTES }
  const work = new HttpClient({ connections: WORK_CONNECTIONS, ...common })
  const short = new HttpClient({ connections: SHORT_CONNECTIONS, ...common })
  return {
    work,
    short,
    close: async () => void (await Promise.all([work.close(), short.close()])),
  }
}
