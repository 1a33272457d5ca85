// What went wrong with a request to the API server, told apart by what may be concluded. Texts name no address.
import { isJsonObject } from '@poolmesh/types'

export type Failure =
  /** Nobody was there: nothing was done. */
  | { kind: 'unreachable'; problem: string }
  /** It may have been done. */
  | { kind: 'broken'; problem: string }
  | { kind: 'not_found' | 'exists' | 'expired'; problem: string }
  /** Not now: too many requests, or a quota is used up. */
  | { kind: 'busy'; problem: string; retryAfterMs: number | null }
  /** The cluster does not allow it or does not understand it, and will not the next time either. */
  | { kind: 'refused'; problem: string }

/** Codes of failures before anything was sent. */
const BEFORE_SENDING = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])
/** Names of errors of a request that was sent; others come from what is done before, such as reading a token. */
const NO_ANSWER = new Set(['AbortError', 'TimeoutError', 'SyntaxError'])
const MAX_TEXT = 400

interface Thrown {
  message?: string
  name?: string
  code?: unknown
  /** Of a watch that was refused. */
  statusCode?: number
  body?: unknown
  headers?: Record<string, string>
  cause?: { code?: string; name?: string; errors?: { code?: string }[] }
}

/** The API's own words: a Status object, as text or read already. */
function saidIn(body: unknown): string {
  let status = body
  if (typeof body === 'string')
    try {
      status = JSON.parse(body)
    } catch {
      return ''
    }
  return isJsonObject(status) && typeof status['message'] === 'string'
    ? status['message'].slice(0, MAX_TEXT)
    : ''
}

/** Seconds, as the API says it. */
function retryAfter(headers: Record<string, string> | undefined): number | null {
  const seconds = Number(headers?.['retry-after'] ?? Number.NaN)
  return Number.isFinite(seconds) ? Math.max(0, seconds * 1000) : null
}

/** @param error whatever a call of the client threw */
export function failureOf(error: unknown): Failure {
  const { code, statusCode, body, headers, cause, name, message } = (error ?? {}) as Thrown
  const status = typeof code === 'number' ? code : statusCode
  if (status === undefined) {
    if (cause === undefined && !NO_ANSWER.has(name ?? ''))
      return { kind: 'refused', problem: `the credentials cannot be used (${String(code ?? name)})` }
    const network = cause?.code ?? cause?.errors?.[0]?.code ?? cause?.name ?? name ?? ''
    if (BEFORE_SENDING.has(network))
      return { kind: 'unreachable', problem: `the API server cannot be reached (${network})` }
    if (/CERT|SIGNED|SIGNATURE/.test(network))
      return { kind: 'refused', problem: `the API server's certificate is not trusted (${network})` }
    return { kind: 'broken', problem: `the API server did not answer (${network})` }
  }
  const said = saidIn(body)
  const problem = (what: string): string => (said === '' ? what : `${what}: ${said}`)
  if (status === 404) return { kind: 'not_found', problem: problem('not found') }
  if (status === 409) return { kind: 'exists', problem: problem('conflict') }
  if (status === 410) return { kind: 'expired', problem: problem('expired') }
  if (status === 429)
    return { kind: 'busy', problem: problem('too many requests'), retryAfterMs: retryAfter(headers) }
  if (status === 403 && /exceeded quota/i.test(said))
    return { kind: 'busy', problem: problem('quota'), retryAfterMs: retryAfter(headers) }
  if (status === 401) return { kind: 'refused', problem: 'the cluster does not accept the credentials' }
  if (status === 403) return { kind: 'refused', problem: problem('the cluster forbids it') }
  if (status >= 500)
    return { kind: 'broken', problem: problem(`the API server answered with HTTP status ${status}`) }
  return { kind: 'refused', problem: problem(`HTTP status ${status}`) || String(message).slice(0, MAX_TEXT) }
}
