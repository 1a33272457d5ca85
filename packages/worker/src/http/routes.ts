// What an HTTP pool answers to: POST /tasks, GET and DELETE /tasks/{id}, GET /health, GET /pools.
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Logger } from '@poolmesh/bus'
import { isId, type PoolDescriptor } from '@poolmesh/types'
import { within } from '../waiting.ts'
import type { Access } from './access.ts'
import { answer, Refused, readJson, refusal } from './exchange.ts'
import type { Kept } from './kept.ts'
import { attemptIn, type HttpRuns } from './runs.ts'

/** A run that ends within that time is answered at once, which saves both sides the asking. */
const AT_ONCE_MS = 100
/** Executors wait 10 s for the answer to a cancel. */
const CANCEL_MS = 8_000

export interface Routes {
  runs: HttpRuns
  access: Access
  maxBodyBytes: number
  /** With its load, as it is now. */
  descriptor: () => PoolDescriptor
  isStopping: () => boolean
  log: Logger
}

export const routes =
  (parts: Routes): RequestListener =>
  (request, response) => {
    void route(parts, request, response).catch((error: Error) => {
      if (error instanceof Refused) answer(response, error.status, error.body, error.headers)
      else if (!request.destroyed) {
        parts.log.error({ err: error, url: request.url }, 'a request could not be answered')
        answer(response, 500, refusal('INTERNAL', 'the pool could not answer').body)
      }
    })
  }

async function route(parts: Routes, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method } = request
  const [path = '/'] = (request.url ?? '/').split('?')
  // Open to all: whether it lives, for those who start it anew when it does not.
  if (path === '/health' && method === 'GET') return health(parts, response)
  parts.access(request)
  const [, id] = /^\/tasks\/([^/]+)$/.exec(path) ?? []
  if (path === '/pools' && method === 'GET')
    return answer(response, 200, JSON.stringify({ pools: [parts.descriptor()] }))
  if (path === '/tasks' && method === 'POST') return await submit(parts, request, response)
  if (id !== undefined && method === 'GET')
    return say(parts, response, 200, found(isId(id) && parts.runs.get(id)))
  if (id !== undefined && method === 'DELETE') {
    const kept = found(isId(id) && parts.runs.cancel(id))
    await within(CANCEL_MS, kept.ended)
    return say(parts, response, kept.result === null ? 202 : 200, kept)
  }
  const allowed = { '/health': 'GET', '/pools': 'GET', '/tasks': 'POST' }[path] ?? (id && 'GET, DELETE')
  if (allowed) throw refusal('INVALID_INPUT', `${method} is not possible here`, 405, { allow: allowed })
  throw refusal('NOT_FOUND', 'there is no such path')
}

function health({ descriptor, isStopping }: Routes, response: ServerResponse): void {
  const { current_workers, queue_size } = descriptor()
  const status = isStopping() ? 'unavailable' : 'healthy'
  answer(response, isStopping() ? 503 : 200, JSON.stringify({ status, current_workers, queue_size }))
}

async function submit(parts: Routes, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { runs, maxBodyBytes } = parts
  const kept =
    runs.byKey(request.headers['idempotency-key']) ??
    (await runs.submit(() => readJson(request, maxBodyBytes), attemptIn(request.headers)))
  await within(AT_ONCE_MS, kept.ended)
  say(parts, response, kept.result === null ? 202 : 200, kept, { location: `/tasks/${kept.taskId}` })
}

function found(kept: Kept | false | undefined): Kept {
  if (kept) return kept
  throw refusal('NOT_FOUND', 'the pool knows nothing of such a task')
}

function say(
  { descriptor }: Routes,
  response: ServerResponse,
  status: number,
  kept: Kept,
  headers: Record<string, string> = {},
): void {
  if (kept.result !== null)
    response.once('finish', () => {
      kept.isRead = true
    })
  answer(response, status, kept.asJson(descriptor().name), headers)
}
