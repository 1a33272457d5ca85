// A stream of lines in, a stream of lines out. Nothing is read while WINDOW tasks are on their way to the broker, or while
// the caller does not read what was answered: the pace of both sides is the slower one's.
import { isUtf8 } from 'node:buffer'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '@poolmesh/bus'
import { PoolmeshError } from '@poolmesh/types'
import type { FastifyReply } from 'fastify'
import { tooMany } from '../http/bodies.ts'
import { API_HEADERS } from '../http/headers.ts'
import { NDJSON } from '../http/media-types.ts'
import type { Room } from '../http/room.ts'

/** Tasks of one request that are not confirmed. */
const WINDOW = 1_000
/** And their bytes. */
const WINDOW_BYTES = 32 * 1024 ** 2
/** Larger tasks go alone. */
const LINE_BYTES = 16 * 1024 ** 2
const FULL_PAUSE_MS = 250

export interface LinesOptions {
  request: IncomingMessage
  reply: FastifyReply
  log: Logger
  /** @throws PoolmeshError OVERLOADED where there is no room now */
  submit(text: string): Promise<object>
  /** Of the bodies of all requests. */
  room: Room
  /** Without a byte for so long, the caller is gone. */
  idleMs: number
}

export async function submitLines(options: LinesOptions): Promise<unknown> {
  const { request, reply, log, submit, room, idleMs } = options
  const { raw: response } = reply
  reply.hijack()
  response.writeHead(200, { ...API_HEADERS, 'content-type': NDJSON })
  response.flushHeaders()
  // Node then ends the connection, also where it is the answers that nobody reads.
  request.socket.setTimeout(idleMs)
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const open = new Set<Promise<void>>()
  let [line, bytes] = [0, 0]
  // Of one wait for room. A race of all that is open would cost as much as there is open, for each line.
  let freed = Promise.withResolvers<void>()
  freed.promise.catch(() => {})

  const one = async (number: number, { text, size }: Line): Promise<void> => {
    bytes += size
    try {
      const answer = text === null ? NOT_UTF8 : await patient(submit, text, response)
      response.write(`${JSON.stringify({ line: number, ...answer })}\n`)
    } finally {
      bytes -= size
      room.give(size)
    }
  }
  try {
    for await (const read of linesOf(request, room)) {
      line++
      if (read.text?.trim() === '') {
        room.give(read.size)
        continue
      }
      const going = one(line, read)
      open.add(going)
      going.then(
        () => {
          open.delete(going)
          freed.resolve()
        },
        // It stays among the open ones: who waits for them all is told.
        (error: unknown) => freed.reject(error),
      )
      while (open.size >= WINDOW || bytes >= WINDOW_BYTES) {
        freed = Promise.withResolvers()
        await freed.promise
      }
      if (response.writableNeedDrain) await once(response, 'drain', gone)
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

interface Line {
  /** Null: it is not UTF-8. */
  text: string | null
  /** Bytes that were taken of the room, and have to be given back. */
  size: number
}
const NOT_UTF8 = new PoolmeshError('INVALID_JSON', 'the line is not UTF-8').toRefusal()

/**
 * Who stops to read it leaves the connection as it is, so that an answer can still go there.
 * @throws PoolmeshError PAYLOAD_TOO_LARGE for a line without an end, OVERLOADED where others have all the room
 */
async function* linesOf(source: IncomingMessage, room: Room): AsyncGenerator<Line, void, void> {
  let parts: Buffer[] = []
  let size = 0
  let isFirst = true
  const take = (part: Buffer): void => {
    if (!room.take(part.length)) throw tooMany()
    size += part.length
    parts.push(part)
    if (size > LINE_BYTES)
      throw new PoolmeshError(
        'PAYLOAD_TOO_LARGE',
        `a line has more than ${LINE_BYTES} bytes: send it by itself`,
      )
  }
  const whole = (): Line => {
    const line = Buffer.concat(parts)
    const text = isUtf8(line) ? line.toString() : null
    // A byte order mark belongs to the whole.
    const read = { text: isFirst ? (text?.replace(/^\uFEFF/, '') ?? null) : text, size }
    isFirst = false
    parts = []
    size = 0
    return read
  }
  try {
    for await (const chunk of source.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      let from = 0
      for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
        take(chunk.subarray(from, at))
        yield whole()
        from = at + 1
      }
      if (from < chunk.length) take(chunk.subarray(from))
    }
    if (size > 0) yield whole()
  } finally {
    room.give(size)
  }
}

const NEWLINE = 10
