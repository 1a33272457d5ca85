// What a connection may hold, and for how long. Invariants:
// 1. Headers that do not come, and connections that say nothing, are ended by Node after headersMs.
// 2. Who has his answer and goes on sending is read and thrown away for lingerMs, so that he comes to read it; then his
//    connection is ended.
// 3. An answer of which nothing is read for unreadMs ends its connection, and all that wait to be read are bounded together.
import { type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { PoolmeshError } from '@poolmesh/types'
import type { FastifyInstance } from 'fastify'
import type { Limits } from '../limits.ts'
import { HttpFault, PROBLEM_TYPE, problemOf } from './problem.ts'
import { Room } from './room.ts'

/** Sockets at most, those of listeners among them; a process must have as many files. */
const MAX_CONNECTIONS = 10_000
/** An idle connection is kept for so long. */
const KEEP_ALIVE_MS = 65_000
const MAX_HEADER_BYTES = 32 * 1024

/** How often Node looks whether headers are late: its own 30 s would make 40 s of 10 s. */
const lookMs = (headersMs: number): number => Math.min(2_000, headersMs)

/** For Fastify. Bodies have limits of their own, since lines may come for hours. */
export const serverOptions = ({ headersMs }: Limits) => ({
  keepAliveTimeout: KEEP_ALIVE_MS,
  requestTimeout: 0,
  http: {
    headersTimeout: headersMs,
    requestTimeout: 0,
    connectionsCheckingInterval: lookMs(headersMs),
    maxHeaderSize: MAX_HEADER_BYTES,
    // Refused by the guard, with words.
    requireHostHeader: false,
  },
  clientErrorHandler: refuseMalformed,
})

export function limitConnections(app: FastifyInstance, limits: Limits): void {
  app.server.maxConnections = MAX_CONNECTIONS
  limitTimes(app.server, limits)
  const unread = new Room(limits.unreadBytes)
  app.addHook('onSend', (_request, reply, payload, done) => {
    const bytes = typeof payload === 'string' || Buffer.isBuffer(payload) ? payload.length : 0
    if (unread.take(bytes)) reply.raw.once('close', () => unread.give(bytes))
    // Refusals are small.
    else if (reply.statusCode < 400) return done(tooMany())
    done()
  })
}

/** The last answer of a connection, begun or not. */
const answers = new WeakMap<Socket, ServerResponse>()

function limitTimes(server: Server, { lingerMs, unreadMs }: Limits): void {
  server.on('request', (request, response) => {
    const { socket } = request
    answers.set(socket, response)
    // Node ends a connection that nothing goes over for so long, and sets the time anew once the answer has gone.
    response.once('prefinish', () => socket.setTimeout(unreadMs))
    response.once('finish', () => {
      if (request.complete) return
      request.resume()
      const timer = setTimeout(() => socket.destroy(), lingerMs)
      request.once('close', () => clearTimeout(timer))
    })
  })
}

/** What is no request in HTTP, or too much of one, is answered like everything else, and its connection ended. */
function refuseMalformed(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  const answer = answers.get(socket)
  const isUnderWay = answer?.headersSent === true && !answer.writableFinished
  if (socket.writable && !isUnderWay) socket.write(printProblem(faultOf(error.code)))
  socket.destroySoon()
}

const faultOf = (code: string | undefined): HttpFault =>
  code === 'HPE_HEADER_OVERFLOW'
    ? new HttpFault(431, 'INVALID_INPUT', `the headers have more than ${MAX_HEADER_BYTES} bytes`)
    : code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? new HttpFault(408, 'DEADLINE_EXCEEDED', 'the headers took too long')
      : new HttpFault(400, 'INVALID_INPUT', 'this is no request in HTTP/1.1')

function printProblem(fault: HttpFault): string {
  const body = `${JSON.stringify(problemOf(fault, ''))}\n`
  return [
    `HTTP/1.1 ${fault.status} ${STATUS_CODES[fault.status]}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'X-Content-Type-Options: nosniff',
    'Connection: close',
    '',
    body,
  ].join('\r\n')
}

const tooMany = (): PoolmeshError =>
  new PoolmeshError('OVERLOADED', 'too many answers wait to be read: try again later')
