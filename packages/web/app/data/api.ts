// Questions to the gateway. What it refuses comes as a problem (RFC 9457) and is thrown with its code and issues.
import { token, tokenNeeded } from './token.ts'

export interface Issue {
  path: string
  message: string
}

export class ApiError extends Error {
  readonly status: number
  readonly code: string
  readonly issues: Issue[]

  constructor(status: number, code: string, message: string, issues: Issue[] = []) {
    super(message)
    this.status = status
    this.code = code
    this.issues = issues
  }
}

const BASE = '/api/v1'
/** Longer than the gateway itself waits for the bus. */
const PATIENCE_MS = 20_000

export function headers(): Record<string, string> {
  const value = token.get()
  return value === null ? {} : { authorization: `Bearer ${value}` }
}

interface Request {
  method?: 'GET' | 'POST' | 'DELETE'
  body?: unknown
  headers?: Record<string, string>
  signal?: AbortSignal
}

/** @throws ApiError; status 0: the gateway does not answer */
export async function ask<Reply>(
  path: string,
  { method = 'GET', body, headers: more, signal }: Request = {},
): Promise<Reply> {
  const limit = AbortSignal.timeout(PATIENCE_MS)
  let response: Response
  try {
    response = await fetch(path.startsWith('/') ? path : `${BASE}/${path}`, {
      method,
      headers: {
        ...headers(),
        ...(method === 'GET' ? {} : { 'x-requested-with': 'poolmesh' }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...more,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    })
  } catch (error) {
    if (signal?.aborted) throw error
    throw new ApiError(0, 'UNAVAILABLE', 'The gateway does not answer.')
  }
  if (response.status === 401) tokenNeeded.set(true)
  const text = await response.text()
  const reply: unknown = text === '' ? null : parse(text)
  if (!response.ok && path !== '/readyz') throw problem(response.status, reply)
  return reply as Reply
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function problem(status: number, reply: unknown): ApiError {
  const { code, detail, issues } = (reply ?? {}) as { code?: unknown; detail?: unknown; issues?: unknown }
  return new ApiError(
    status,
    typeof code === 'string' ? code : `HTTP_${status}`,
    typeof detail === 'string' ? detail : `The gateway answered with status ${status}.`,
    Array.isArray(issues) ? (issues as Issue[]) : [],
  )
}

/** `?a=1&b=2` of what is not empty. */
export function query(fields: Record<string, string | number | null | undefined>): string {
  const given = Object.entries(fields).filter(
    ([, value]) => value !== undefined && value !== null && value !== '',
  )
  return given.length === 0
    ? ''
    : `?${new URLSearchParams(given.map(([key, value]) => [key, String(value)]))}`
}

export const part = encodeURIComponent
