// One request and what came of it, told apart by what may be concluded for the task.
import { MAX_PAYLOAD_BYTES, parseJson } from '@poolmesh/types'
import { Agent, type Dispatcher, errors, request } from 'undici'
import type { Target } from './target.ts'

/** What a response may have at most: an output of the largest size and what is around it. */
export const MAX_RESPONSE_BYTES = MAX_PAYLOAD_BYTES + 64 * 1024
const CONNECT_MS = 5_000
const KEEP_ALIVE_MS = 10_000
/** A pool that answers when the task is done keeps a connection for each; short questions have some of their own. */
export const WORK_CONNECTIONS = 256
export const SHORT_CONNECTIONS = 8

export type Exchange =
  /** `body` is undefined where it is no JSON, and `problem` says why. */
  | { kind: 'response'; status: number; body: unknown; problem: string | null; retryAfterMs: number | null }
  /** Nobody was there: nothing was sent. */
  | { kind: 'unreachable'; problem: string }
  /** It may have arrived, and there is no answer. */
  | { kind: 'broken'; problem: string }
  /** An answer that is longer than is read. */
  | { kind: 'too_large'; problem: string }
  | { kind: 'aborted' }

/** Codes of failures before anything was sent. */
const BEFORE_SENDING = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

export interface Sent {
  method: 'GET' | 'POST' | 'DELETE'
  /** Added to the target's address. */
  path: string
  headers?: Record<string, string>
  body?: string
  signal: AbortSignal
}

/** Connections that are kept, a pool of them for each origin. */
export class Connections {
  readonly #work = agent(WORK_CONNECTIONS)
  readonly #short = agent(SHORT_CONNECTIONS)

  /** Never rejects. Redirects are not followed. */
  async exchange(target: Target, { method, path, headers, body, signal }: Sent): Promise<Exchange> {
    try {
      const response = await request(target.base + path, {
        dispatcher: method === 'POST' ? this.#work : this.#short,
        method,
        headers: {
          accept: 'application/json',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
          ...target.headers,
        },
        body: body ?? null,
        signal,
      })
      return await read(response)
    } catch (error) {
      if (signal.aborted) return { kind: 'aborted' }
      return failureOf(error as Error & { code?: string })
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#work.destroy(), this.#short.destroy()])
  }
}

/** The caller's signal bounds how long an answer may take. */
export const agent = (
  connections: number,
  maxResponseBytes = MAX_RESPONSE_BYTES,
  keepAliveTimeout = KEEP_ALIVE_MS,
): Agent =>
  new Agent({
    connections,
    keepAliveTimeout,
    connect: { timeout: CONNECT_MS },
    headersTimeout: 0,
    bodyTimeout: 0,
    maxResponseSize: maxResponseBytes,
  })

async function read(response: Dispatcher.ResponseData): Promise<Exchange> {
  const { statusCode: status, headers } = response
  const text = await response.body.text()
  const retryAfterMs = retryAfter(headers['retry-after'])
  const type = String(headers['content-type'] ?? '')
  const said = (body: unknown, problem: string | null): Exchange => ({
    kind: 'response',
    status,
    body,
    problem,
    retryAfterMs,
  })
  if (!/^application\/([\w.-]+\+)?json\b/i.test(type))
    return said(
      undefined,
      `its content type is ${type ? type.slice(0, 100) : 'missing'}, not application/json`,
    )
  try {
    return said(parseJson(text, 'its body'), null)
  } catch (error) {
    return said(undefined, (error as Error).message)
  }
}

/** Seconds or a date. */
export function retryAfter(value: string | string[] | undefined): number | null {
  if (typeof value !== 'string' || value.trim() === '') return null
  const ms = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return Number.isFinite(ms) ? Math.max(0, ms) : null
}

/** Texts name codes, and never an address or a header. */
export function failureOf(
  error: Error & { code?: string; errors?: { code?: string }[] },
): Exchange & { kind: 'unreachable' | 'broken' | 'too_large' } {
  if (error instanceof errors.ResponseExceededMaxSizeError)
    return { kind: 'too_large', problem: `its answer is larger than ${MAX_RESPONSE_BYTES} bytes` }
  // Of a name with several addresses each may have failed.
  const code = error.code ?? error.errors?.[0]?.code ?? error.name
  return BEFORE_SENDING.has(code)
    ? { kind: 'unreachable', problem: `it cannot be reached (${code})` }
    : { kind: 'broken', problem: `the connection broke (${code})` }
}
