// Reads bodies of requests, never more than what there is room for: of one, and of all together.
import type { IncomingMessage } from 'node:http'
import { PoolmeshError } from '@poolmesh/types'
import type { Limits } from '../limits.ts'
import { HttpFault } from './problem.ts'
import { Room } from './room.ts'

export class Bodies {
  /** Lines that come in are in it too. */
  readonly room: Room
  readonly #bodyMs: number

  constructor({ bodiesBytes, bodyMs }: Pick<Limits, 'bodiesBytes' | 'bodyMs'>) {
    this.room = new Room(bodiesBytes)
    this.#bodyMs = bodyMs
  }

  /**
   * The body as text, in UTF-8. Where it is refused, its sender is read on by whoever limits connections: he would not come to
   * read why.
   * @param limit bytes
   * @throws HttpFault 413, 408 or 400; PoolmeshError OVERLOADED where too many others are being read
   */
  async read(request: IncomingMessage, limit: number): Promise<string> {
    const declared = Number(request.headers['content-length'] ?? 0)
    if (declared > limit) throw tooLarge(limit)
    const chunks: Buffer[] = []
    let [bytes, held] = [0, 0]
    const { promise: whole, resolve, reject } = Promise.withResolvers<void>()
    const timer = setTimeout(() => reject(tooLate(this.#bodyMs)), this.#bodyMs)
    const take = (chunk: Buffer): void => {
      bytes += chunk.length
      if (bytes > limit) reject(tooLarge(limit))
      else if (!this.room.take(chunk.length)) reject(tooMany())
      else {
        held += chunk.length
        chunks.push(chunk)
      }
    }
    const breakOff = (): void => reject(new HttpFault(400, 'INVALID_INPUT', 'the body broke off'))
    // `close` comes before whoever waits for the end is woken, and an error costs more than all the rest.
    const end = (): void => {
      request.off('close', breakOff)
      resolve()
    }
    request.on('data', take).once('end', end).once('error', breakOff).once('close', breakOff)
    try {
      await whole
      return decode(chunks)
    } finally {
      clearTimeout(timer)
      request.off('data', take).off('end', end).off('close', breakOff)
      this.room.give(held)
    }
  }
}

export const tooMany = (): PoolmeshError =>
  new PoolmeshError('OVERLOADED', 'too many large requests are being read: try again later')
const tooLate = (ms: number): HttpFault =>
  new HttpFault(408, 'DEADLINE_EXCEEDED', `the body was not there within ${ms / 1_000} s`)
const tooLarge = (limit: number): HttpFault =>
  new HttpFault(413, 'PAYLOAD_TOO_LARGE', `the body has more than ${limit} bytes`)

/** Without a byte order mark. @throws PoolmeshError INVALID_JSON */
function decode(chunks: Buffer[]): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch {
    throw new PoolmeshError('INVALID_JSON', 'the body is not UTF-8')
  }
}
