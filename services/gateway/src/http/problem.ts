// Errors as problem details (RFC 9457), with the code and the issues that the same error has on the bus.
import { ERRORS, type ErrorCode, type Issue, PoolmeshError } from '@poolmesh/types'

/** A refusal that has a status of its own in HTTP, such as 405, beside a code of ours. */
export class HttpFault extends PoolmeshError {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, code: ErrorCode, message: string, headers: Record<string, string> = {}) {
    super(code, message)
    this.status = status
    this.headers = headers
  }
}

export interface Problem {
  /** A name and no address: the list of codes is docs/errors.md. */
  type: string
  title: string
  status: number
  detail: string
  instance: string
  code: ErrorCode
  issues: Issue[]
  /** Of OVERLOADED: after so long another try may succeed. */
  retry_after_ms?: number
}

export const PROBLEM_TYPE = 'application/problem+json'

/** @param instance the path that was asked for */
export function problemOf(error: PoolmeshError, instance: string): Problem {
  const { code, message, issues, retryAfterMs } = error
  return {
    type: `urn:poolmesh:error:${code}`,
    title: ERRORS[code].meaning,
    status: statusOf(error),
    detail: message,
    instance: instance.slice(0, 512),
    code,
    issues,
    ...(retryAfterMs === undefined ? {} : { retry_after_ms: retryAfterMs }),
  }
}

const statusOf = (error: PoolmeshError): number =>
  error instanceof HttpFault ? error.status : ERRORS[error.code].status

export function headersOf(error: PoolmeshError): Record<string, string> {
  const own = error instanceof HttpFault ? error.headers : {}
  return error.retryAfterMs === undefined
    ? own
    : { ...own, 'retry-after': String(Math.ceil(error.retryAfterMs / 1_000)) }
}
