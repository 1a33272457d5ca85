// Reads bodies of requests, never more than what there is room for: of one, and of all together.
import type { IncomingMessage } from 'node:http'
import { PoolmeshError } from '@poolmesh/types'
import { HttpFault } from './problem.ts'

/** Bodies that are in memory at the same time. */
const MAX_ALL_BYTES = 256 * 1024 ** 2
/** A whole body takes no longer than that. */
const BODY_MS = 30_000

export class Bodies {
  #bytes = 0
  readonly #maxAll: number

  constructor(maxAll = MAX_ALL_BYTES) {
    this.#maxAll = maxAll
  }

  /**
   * The body as text, in UTF-8.
   * @param limit bytes
   * @throws HttpFault 413, 408 or 400; PoolmeshError OVERLOADED where too many others are being read
   */
  async read(request: IncomingMessage, limit: number): Promise<string> {
    const declared = Number(request.headers['content-length'] ?? 0)
    if (declared > limit) throw tooLarge(limit)
    const chunks: Buffer[] = []
    let bytes = 0
    const timer = setTimeout(
      () => request.destroy(new HttpFault(408, 'DEADLINE_EXCEEDED', 'the body took too long')),
      BODY_MS,
    )
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        bytes += chunk.length
        this.#bytes += chunk.length
        if (bytes > limit) throw tooLarge(limit)
        if (this.#bytes > this.#maxAll)
          throw new PoolmeshError('OVERLOADED', 'too many large requests are being read: try again later')
        chunks.push(chunk)
      }
      return decode(chunks)
    } catch (error) {
      if (error instanceof PoolmeshError) throw error
      throw new HttpFault(400, 'INVALID_INPUT', `the body broke off: ${(error as Error).message}`)
    } finally {
      clearTimeout(timer)
      this.#bytes -= bytes
    }
  }
}

const tooLarge = (limit: number): HttpFault =>
  new HttpFault(413, 'PAYLOAD_TOO_LARGE', `the body has more than ${limit} bytes`, { connection: 'close' })

function decode(chunks: Buffer[]): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch {
    throw new PoolmeshError('INVALID_JSON', 'the body is not UTF-8')
  }
}
