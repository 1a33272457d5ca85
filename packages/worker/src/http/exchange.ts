// One request and its response: reading a bounded body, and answering in JSON.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { ERRORS, PoolmeshError, parseJson } from '@poolmesh/types'

/** What a request is refused with. */
export class Refused extends Error {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: string

  /** @param status as of the error's code, or another of HTTP's that says more */
  constructor(error: PoolmeshError, status: number = ERRORS[error.code].status, headers = {}) {
    super(error.message)
    this.status = status
    this.headers = headers
    this.body = JSON.stringify(error.toRefusal())
  }
}

export const refusal = (
  code: PoolmeshError['code'],
  message: string,
  status?: number,
  headers?: Record<string, string>,
): Refused => new Refused(new PoolmeshError(code, message), status, headers)

/** @throws Refused @throws Error when the connection breaks */
export async function readJson(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  // A page in a browser cannot send this type elsewhere without asking first, and is not answered then.
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? ''))
    throw refusal('INVALID_INPUT', 'the content-type must be application/json', 415)
  const tooLarge = (): Refused =>
    refusal('PAYLOAD_TOO_LARGE', `the body has more than ${maxBytes} bytes`, 413, { connection: 'close' })
  if (Number(request.headers['content-length']) > maxBytes) throw tooLarge()
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += (chunk as Buffer).length
    if (size > maxBytes) throw tooLarge()
    chunks.push(chunk as Buffer)
  }
  try {
    return parseJson(Buffer.concat(chunks).toString(), 'the body')
  } catch (error) {
    throw new Refused(error as PoolmeshError)
  }
}

/** @param body JSON */
export function answer(
  response: ServerResponse,
  status: number,
  body: string,
  headers: Record<string, string> = {},
): void {
  if (response.headersSent || response.destroyed) return
  const length = String(Buffer.byteLength(body))
  response
    .writeHead(status, { 'content-type': 'application/json', 'content-length': length, ...headers })
    .end(body)
}
