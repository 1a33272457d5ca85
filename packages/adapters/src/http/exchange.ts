// Requests over connections that are kept, and what came of each, told apart by what may be concluded.
import { parseJson } from '@poolmesh/types'
import { Agent, type Dispatcher, errors, request } from 'undici'
import type { Target } from './target.ts'

const CONNECT_MS = 5_000

export type Exchange =
  /** `body` is undefined where it is no JSON, and `problem` says why. */
  | { kind: 'response'; status: number; body: unknown; problem: string | null; retryAfterMs: number | null }
  /** Nobody was there: nothing was sent. `code` is the system's, such as ECONNREFUSED. */
  | { kind: 'unreachable'; code: string; problem: string }
  /** It may have arrived, and there is no answer. */
  | { kind: 'broken'; code: string; problem: string }
  /** An answer that is longer than is read. */
  | { kind: 'too_large'; status: number; problem: string }
  | { kind: 'timed_out' }
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
  /** Milliseconds for all of it; without it the signal alone ends what takes too long. */
  timeoutMs?: number
  signal?: AbortSignal
  /** Read as JSON whatever type it says that it is. */
  anyType?: boolean
}

export interface HttpClientOptions {
  /** Of each origin. */
  connections: number
  /** How long an idle connection is kept. */
  keepAliveMs: number
  maxResponseBytes: number
}

export class HttpClient {
  readonly #agent: Agent
  readonly #maxBytes: number

  constructor(options: HttpClientOptions) {
    this.#maxBytes = options.maxResponseBytes
    this.#agent = agent(options)
  }

  /** Never rejects. Redirects are not followed. */
  async exchange(target: Target, sent: Sent): Promise<Exchange> {
    const { signal, timeoutMs } = sent
    if (signal?.aborted) return { kind: 'aborted' }
    const ending = new AbortController()
    let timedOut = false
    const onAbort = (): void => ending.abort()
    signal?.addEventListener('abort', onAbort, { once: true })
    // One timer that goes with the request: those of AbortSignal.timeout() stay until they are due.
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            timedOut = true
            ending.abort()
          }, timeoutMs)
    try {
      return await this.#request(target, sent, ending.signal)
    } catch (error) {
      if (signal?.aborted) return { kind: 'aborted' }
      if (timedOut) return { kind: 'timed_out' }
      return failureOf(error as Error & { code?: string })
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    }
  }

  async #request(
    target: Target,
    { method, path, headers, body, anyType = false }: Sent,
    signal: AbortSignal,
  ): Promise<Exchange> {
    const response = await request(target.base + path, {
      dispatcher: this.#agent,
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
    try {
      return await read(response, anyType)
    } catch (error) {
      if (!isTooLarge(error)) throw error
      return { kind: 'too_large', status: response.statusCode, problem: tooLarge(this.#maxBytes) }
    }
  }

  /** Ends all requests. */
  async close(): Promise<void> {
    await this.#agent.destroy()
  }
}

/** The caller's signal bounds how long an answer may take. */
export const agent = ({ connections, keepAliveMs, maxResponseBytes }: HttpClientOptions): Agent =>
  new Agent({
    connections,
    keepAliveTimeout: keepAliveMs,
    // A server that promises longer is not taken at its word.
    keepAliveMaxTimeout: keepAliveMs,
    connect: { timeout: CONNECT_MS },
    headersTimeout: 0,
    bodyTimeout: 0,
    maxResponseSize: maxResponseBytes,
  })

async function read(response: Dispatcher.ResponseData, anyType: boolean): Promise<Exchange> {
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
  if (!anyType && !/^application\/([\w.-]+\+)?json\b/i.test(type))
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

export const isTooLarge = (error: unknown): boolean => error instanceof errors.ResponseExceededMaxSizeError
export const tooLarge = (maxBytes: number): string => `its answer is larger than ${maxBytes} bytes`

/** Texts name codes, and never an address or a header. */
export function failureOf(
  error: Error & { code?: string; errors?: { code?: string }[] },
): Exchange & { kind: 'unreachable' | 'broken' } {
  // Of a name with several addresses each may have failed.
  const code = error.code ?? error.errors?.[0]?.code ?? error.name
  return BEFORE_SENDING.has(code)
    ? { kind: 'unreachable', code, problem: `it cannot be reached (${code})` }
    : { kind: 'broken', code, problem: `the connection broke (${code})` }
}
