// A stream of lines in, a stream of lines out. Nothing is read while WINDOW tasks are on their way to the broker, or while
// the caller does not read what was answered: the pace of both sides is the slower one's.
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '@poolmesh/bus'
import { PoolmeshError } from '@poolmesh/types'
import type { FastifyReply } from 'fastify'
import { API_HEADERS } from '../http/headers.ts'

export const NDJSON = 'application/x-ndjson'

/** Tasks of one request that are not confirmed. */
const WINDOW = 1_000
/** And their bytes. */
const WINDOW_BYTES = 32 * 1024 ** 2
/** Larger tasks go alone. */
const LINE_BYTES = 16 * 1024 ** 2
/** Without a byte for so long, the caller is gone. */
const IDLE_MS = 60_000
const FULL_PAUSE_MS = 250

export interface LinesOptions {
  request: IncomingMessage
  reply: FastifyReply
  log: Logger
  /** @throws PoolmeshError OVERLOADED where there is no room now */
  submit(text: string): Promise<object>
}

export async function submitLines({ request, reply, log, submit }: LinesOptions): Promise<unknown> {
  const { raw: response } = reply
  reply.hijack()
  response.writeHead(200, { ...API_HEADERS, 'content-type': NDJSON })
  response.flushHeaders()
  // Answers that the caller does not read end the request too.
  request.socket.setTimeout(IDLE_MS, () => request.destroy(new Error('idle')))
  const open = new Set<Promise<void>>()
  let [line, bytes] = [0, 0]
  // Of one wait for room. A race of all that is open would cost as much as there is open, for each line.
  let room = Promise.withResolvers<void>()
  room.promise.catch(() => {})

  const one = async (number: number, text: string): Promise<void> => {
    bytes += text.length
    try {
      response.write(`${JSON.stringify({ line: number, ...(await patient(submit, text, response)) })}\n`)
    } finally {
      bytes -= text.length
    }
  }
  try {
    for await (const text of linesOf(request)) {
      line++
      if (text.trim() === '') continue
      const going = one(line, text)
      open.add(going)
      going.then(
        () => {
          open.delete(going)
          room.resolve()
        },
        // It stays among the open ones: who waits for them all is told.
        (error: unknown) => room.reject(error),
      )
      while (open.size >= WINDOW || bytes >= WINDOW_BYTES) {
        room = Promise.withResolvers()
        await room.promise
      }
      if (response.writableNeedDrain) await once(response, 'drain')
    }
    await Promise.all(open)
    response.end()
  } catch (error) {
    await Promise.allSettled(open)
    if (!(error instanceof PoolmeshError)) log.debug({ err: error, line }, 'a stream of tasks broke off')
    else if (!response.destroyed) {
      response.end(`${JSON.stringify({ line: line + 1, ...error.toRefusal() })}\n`)
      return reply
    }
    response.destroy()
  } finally {
    request.socket.setTimeout(0)
  }
  return reply
}

/** The broker or this process is full: that passes, and the lines behind wait. */
async function patient(
  submit: (text: string) => Promise<object>,
  text: string,
  response: { destroyed: boolean },
): Promise<object> {
  for (;;) {
    try {
      return await submit(text)
    } catch (error) {
      if (!(error instanceof PoolmeshError) || response.destroyed) throw error
    }
    await sleep(FULL_PAUSE_MS)
  }
}

/** @throws PoolmeshError PAYLOAD_TOO_LARGE for a line without an end */
async function* linesOf(source: AsyncIterable<Buffer>): AsyncGenerator<string, void, void> {
  let parts: Buffer[] = []
  let bytes = 0
  for await (const chunk of source) {
    let from = 0
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      parts.push(chunk.subarray(from, at))
      yield Buffer.concat(parts).toString()
      parts = []
      bytes = 0
      from = at + 1
    }
    if (from === chunk.length) continue
    parts.push(chunk.subarray(from))
    bytes += chunk.length - from
    if (bytes > LINE_BYTES)
      throw new PoolmeshError(
        'PAYLOAD_TOO_LARGE',
        `a line has more than ${LINE_BYTES} bytes: send it by itself`,
      )
  }
  if (bytes > 0) yield Buffer.concat(parts).toString()
}
