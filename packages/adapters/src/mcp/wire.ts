// The SDK's HTTP requests, on our connections. The SDK does not tell a request whose response was cut from one that is still
// to be answered, so each request of the transport is attributed to the call that it belongs to, and tells it when its
// response is over. Sizes are bounded, redirects are not followed, and bodies of refusals are not read.
import { AsyncLocalStorage } from 'node:async_hooks'
import { ReadableStream, type UnderlyingSource } from 'node:stream/web'
import { setImmediate as turn } from 'node:timers/promises'
import type { Agent, Dispatcher } from 'undici'
import { request } from 'undici'
import { MAX_RESPONSE_BYTES, SHORT_CONNECTIONS, WORK_CONNECTIONS } from '../http/clients.ts'
import { agent, failureOf, isTooLarge, retryAfter, tooLarge } from '../http/exchange.ts'
import { McpFault } from './fault.ts'

/** How often the SDK opens a stream again that was cut and that the server can resume. */
export const MAX_RESUMES = 3
/** What a server tells between answers are short notes. */
const MAX_NOTES_BYTES = 1024 * 1024
/** Shorter than uvicorn, which most of these servers run on, keeps a connection without saying so: 5 s. */
const KEEP_ALIVE_MS = 4_000
const LEAVE_MS = 1_000
const LEAVE_BYTES = 64 * 1024
/** Turns of the event loop that what was received may need through the SDK's parsers, which only wait for each other. */
const PARSER_TURNS = 3

/** One request of ours and what its response came to. */
export class Call {
  /** Tools have connections of their own: what is short does not wait behind them. */
  readonly tool: boolean
  /** Rejects when no answer can come any more. */
  readonly failed: Promise<never>
  /** Ends its connection. */
  readonly cut = new AbortController()
  /** The last event that came, of servers that can be asked for what came after it. */
  lastEvent: string | null = null
  answered = false
  over = false
  readonly #fail: (fault: McpFault) => void
  #resumesFailed = 0

  constructor(tool: boolean) {
    this.tool = tool
    const { promise, reject } = Promise.withResolvers<never>()
    promise.catch(() => {})
    this.failed = promise
    this.#fail = reject
  }

  fail(fault: McpFault): void {
    if (!this.over) this.#fail(fault)
  }

  async ended(fault: McpFault): Promise<void> {
    for (let n = 0; n < PARSER_TURNS; n++) await turn()
    if (!this.answered && (this.lastEvent === null || fault.kind === 'malformed')) this.fail(fault)
  }

  resumed(fault: McpFault | null): void {
    this.#resumesFailed = fault ? this.#resumesFailed + 1 : 0
    const refused = fault?.kind === 'status' && fault.status !== 429 && (fault.status ?? 0) < 500
    if (fault && (refused || this.#resumesFailed >= MAX_RESUMES))
      this.fail(new McpFault('broken', `the connection broke and could not be resumed: ${fault.message}`))
  }
}

/** Which call what is done now belongs to. */
export const calls = new AsyncLocalStorage<Call | null>()

const over = (): McpFault => new McpFault('broken', 'the connection ended before there was an answer')

const wire = (connections: number, maxResponseBytes = MAX_RESPONSE_BYTES): Agent =>
  agent({ connections, maxResponseBytes, keepAliveMs: KEEP_ALIVE_MS })

/** Connections that are kept, a pool of them for each origin. */
export class Wires {
  readonly #work = wire(WORK_CONNECTIONS)
  readonly #short = wire(SHORT_CONNECTIONS)
  /** A session has one stream for what the server tells by itself; sessions are bounded by whoever opens them. */
  readonly #notes = wire(Number.MAX_SAFE_INTEGER, MAX_NOTES_BYTES)

  /**
   * For one session.
   * @param onSilence the stream of what the server tells by itself has ended, so that something may be missed
   * @returns as the SDK's transport wants it. Rejects with {@link McpFault}
   */
  fetch(onSilence: () => void): (url: string | URL, init?: RequestInit) => Promise<Response> {
    return async (url, init = {}) => {
      const call = calls.getStore() ?? null
      const { method = 'GET' } = init
      if (method === 'POST') return await this.#post(url, init, call)
      if (method !== 'GET') return (await this.#send(this.#short, url, init, null)).response(null)
      if (call && call.lastEvent !== null) return await this.#resume(url, init, call, call.lastEvent)
      try {
        return (await this.#send(this.#notes, url, init, null)).response(onSilence)
      } catch (error) {
        onSilence()
        throw error
      }
    }
  }

  async #post(url: string | URL, init: RequestInit, call: Call | null): Promise<Response> {
    const sent = await this.#send(call?.tool ? this.#work : this.#short, url, init, call)
    // Only an answer belongs to the call: what is accepted is a note of ours.
    return sent.response(call && sent.status !== 202 ? (fault) => void call.ended(fault ?? over()) : null)
  }

  async #resume(url: string | URL, init: RequestInit, call: Call, lastEvent: string): Promise<Response> {
    if (call.over) throw new McpFault('aborted', 'nobody waits for the rest')
    // The SDK forgets it when a stream that was resumed is cut before its first event.
    const headers = new Headers(init.headers)
    headers.set('last-event-id', lastEvent)
    try {
      const sent = await this.#send(this.#work, url, { ...init, headers }, call)
      call.resumed(null)
      return sent.response((fault) => void call.ended(fault ?? over()))
    } catch (error) {
      call.resumed(error as McpFault)
      throw error
    }
  }

  async #send(dispatcher: Agent, url: string | URL, init: RequestInit, call: Call | null): Promise<Received> {
    const signals = [init.signal, call?.cut.signal].filter((signal) => signal instanceof AbortSignal)
    const signal = AbortSignal.any(signals)
    try {
      const received = await request(url, {
        dispatcher,
        method: (init.method ?? 'GET') as Dispatcher.HttpMethod,
        headers: Object.fromEntries(new Headers(init.headers)),
        body: typeof init.body === 'string' ? init.body : null,
        signal,
      })
      const { statusCode: status, headers } = received
      // A server without a stream of notes or without an end of sessions says so with 405, as the SDK knows.
      if ((status >= 200 && status < 300) || (status === 405 && init.method !== 'POST'))
        return new Received(received, signal)
      leave(received)
      const redirects = status >= 300 && status < 400 ? ', redirects are not followed' : ''
      const retryAfterMs = retryAfter(headers['retry-after'])
      throw new McpFault('status', `HTTP status ${status}${redirects}`, { status, retryAfterMs })
    } catch (error) {
      throw faultOf(error as Error, signal)
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#work.destroy(), this.#short.destroy(), this.#notes.destroy()])
  }
}

function faultOf(error: Error, signal: AbortSignal): McpFault {
  if (error instanceof McpFault) return error
  if (signal.aborted) return new McpFault('aborted', 'the request was given up')
  if (isTooLarge(error)) return new McpFault('malformed', tooLarge(MAX_RESPONSE_BYTES), { sent: true })
  const { kind, problem } = failureOf(error)
  return new McpFault(kind, problem, { sent: kind !== 'unreachable' })
}

/** What is not read is short, and then its connection can be used again; or the connection goes. */
function leave({ body }: Dispatcher.ResponseData): void {
  const signal = AbortSignal.timeout(LEAVE_MS)
  body.dump({ limit: LEAVE_BYTES, signal }).catch(() => {})
}

class Received {
  readonly status: number
  readonly #data: Dispatcher.ResponseData
  readonly #signal: AbortSignal

  constructor(data: Dispatcher.ResponseData, signal: AbortSignal) {
    this.#data = data
    this.#signal = signal
    this.status = data.statusCode
  }

  /** @param onEnd called once when the body is over: null where it ended by itself */
  response(onEnd: ((fault: McpFault | null) => void) | null): Response {
    const data = this.#data
    const { headers } = data
    const signal = this.#signal
    let chunks: AsyncIterator<Uint8Array> | null = null
    const source: UnderlyingSource<Uint8Array> = {
      async pull(controller) {
        chunks ??= data.body[Symbol.asyncIterator]()
        try {
          const { value, done } = await chunks.next()
          if (!done) return controller.enqueue(value)
          controller.close()
          onEnd?.(null)
        } catch (error) {
          const fault = faultOf(error as Error, signal)
          controller.error(fault)
          onEnd?.(fault)
        }
      },
      cancel: () => leave(data),
    }
    const stream = new ReadableStream<Uint8Array>(source, { highWaterMark: 0 })
    const kept = Object.entries(headers).flatMap(([name, value]) =>
      typeof value === 'string' ? [[name, value] as [string, string]] : [],
    )
    const empty = this.status === 204 || this.status === 205 || this.status === 304
    return new Response(empty ? null : stream, { status: this.status, headers: kept })
  }
}
