// One session of the protocol, from its first request until the server or we end it.
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import {
  StreamableHTTPClientTransport,
  StreamableHTTPError,
} from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { McpError, ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js'
import * as z from 'zod'
import { type FaultKind, McpFault } from './fault.ts'
import type { CallOptions, McpServer } from './session.ts'
import { Call, calls, MAX_RESUMES, type Wires } from './wire.ts'
import { within } from './within.ts'

const OPEN_MS = 10_000
const LIST_MS = 10_000
const END_MS = 2_000
const RESUME_FIRST_MS = 250
const RESUME_MAX_MS = 2_000
/** The SDK's own timers come after ours: they only end what nobody waits for. */
const AFTER_MS = 10_000
/** Pages of a list of tools; a cursor that never ends is a defect of the server. */
const MAX_PAGES = 100
const MAX_TOOLS = 10_000

const MAY_RUN: ReadonlySet<FaultKind> = new Set(['broken', 'malformed', 'timed_out', 'aborted'])

// Only what is used is checked: what else is in there, and wrong, is no reason to refuse it.
const toolsSchema = z.looseObject({
  tools: z.array(z.looseObject({ name: z.string() })),
  nextCursor: z.string().optional(),
})
const resultSchema = z.looseObject({
  content: z.array(z.looseObject({ type: z.string(), text: z.string().optional() })).default([]),
  structuredContent: z.unknown().optional(),
  isError: z.boolean().default(false),
})
/** What a tool answered. */
export type ToolResult = z.output<typeof resultSchema>

export class Connection {
  readonly #client = new Client({ name: 'poolmesh', version: '1' }, { capabilities: {} })
  readonly #transport: StreamableHTTPClientTransport
  #tools: Promise<ReadonlySet<string>> | null = null
  #users = 0
  #retired = false
  #closed = false

  private constructor({ url, headers }: McpServer, wires: Wires) {
    const forget = (): void => {
      this.#tools = null
    }
    this.#transport = new StreamableHTTPClientTransport(new URL(url), {
      fetch: wires.fetch(forget),
      requestInit: { headers: { ...headers }, redirect: 'manual' },
      reconnectionOptions: {
        initialReconnectionDelay: RESUME_FIRST_MS,
        maxReconnectionDelay: RESUME_MAX_MS,
        reconnectionDelayGrowFactor: 2,
        maxRetries: MAX_RESUMES,
      },
    })
    this.#transport.onmessage = (message) => {
      const call = calls.getStore()
      if (call && !('method' in message)) call.answered = true
    }
    // What the SDK cannot read it only mentions.
    this.#transport.onerror = (error) => {
      if (error instanceof SyntaxError || error.name.endsWith('ZodError'))
        calls.getStore()?.fail(unreadable())
    }
    this.#client.setNotificationHandler(ToolListChangedNotificationSchema, forget)
  }

  /** @throws McpFault with `sent: false` */
  static async open(server: McpServer, wires: Wires): Promise<Connection> {
    const connection = new Connection(server, wires)
    const transport = connection.#transport as Transport
    try {
      // The protocol has no way to cancel this request.
      await connection.#asked(new Call(false), { timeoutMs: OPEN_MS }, () =>
        connection.#client.connect(transport, { timeout: OPEN_MS + AFTER_MS }),
      )
      return connection
    } catch (error) {
      await connection.close(false)
      throw error instanceof McpFault ? error.notBegun() : error
    }
  }

  async tools(): Promise<ReadonlySet<string>> {
    for (;;) {
      this.#tools ??= this.#list()
      const reading = this.#tools
      try {
        const names = await reading
        // It may have changed while it was read.
        if (this.#tools === reading) return names
      } catch (error) {
        if (this.#tools === reading) this.#tools = null
        throw error
      }
    }
  }

  async #list(): Promise<ReadonlySet<string>> {
    const names = new Set<string>()
    let cursor: string | undefined
    for (let page = 0; page < MAX_PAGES && names.size < MAX_TOOLS; page++) {
      const params = cursor === undefined ? {} : { cursor }
      const timeout = LIST_MS + AFTER_MS
      const answer = await this.#asked(new Call(false), { timeoutMs: LIST_MS }, (signal) =>
        this.#client.request({ method: 'tools/list', params }, toolsSchema, { timeout, signal }),
      )
      for (const { name } of answer.tools) names.add(name)
      cursor = answer.nextCursor
      if (cursor === undefined) break
    }
    return names
  }

  async call(tool: string, args: Record<string, unknown>, options: CallOptions): Promise<ToolResult> {
    const call = new Call(true)
    const onresumptiontoken = (token: string): void => {
      call.lastEvent = token
    }
    const timeout = options.timeoutMs + AFTER_MS
    try {
      return await this.#asked(call, options, (signal) =>
        this.#client.request(
          {
            method: 'tools/call',
            params: { name: tool, arguments: args, ...(options.meta ? { _meta: options.meta } : {}) },
          },
          resultSchema,
          {
            timeout,
            signal,
            onresumptiontoken,
            ...(options.onProgress ? { onprogress: options.onProgress } : {}),
          },
        ),
      )
    } catch (error) {
      // The tool may be no more, and the server may not have said so.
      if ((error as McpFault).kind === 'refused') this.#tools = null
      throw error
    }
  }

  /** Sends a request of the SDK's and waits until it is answered, its response is cut, it is given up, or its time is over. */
  async #asked<T>(call: Call, options: CallOptions, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { timeoutMs, signal } = options
    if (signal?.aborted) throw new McpFault('aborted', 'the call was given up', { sent: false })
    const cancelled = new AbortController()
    const giveUp = (): void => call.fail(new McpFault('aborted', 'the call was given up'))
    const timer = setTimeout(
      () => call.fail(new McpFault('timed_out', 'no answer in the time of the call')),
      timeoutMs,
    )
    signal?.addEventListener('abort', giveUp)
    this.#users++
    try {
      const answered = calls.run(call, () => ask(cancelled.signal))
      answered.catch(() => {})
      return await Promise.race([answered, call.failed])
    } catch (error) {
      const fault = this.#closed ? closed() : readFault(error as Error)
      call.over = true
      // Where it may be running the SDK tells the server; then the connection goes.
      if (!call.answered && MAY_RUN.has(fault.kind)) calls.run(null, () => cancelled.abort('given up'))
      call.cut.abort()
      throw fault
    } finally {
      call.over = true
      clearTimeout(timer)
      signal?.removeEventListener('abort', giveUp)
      this.#users--
      if (this.#retired && this.#users === 0) void this.close(false)
    }
  }

  /** Another takes its place: what it has begun goes on, then it is closed. */
  retire(): void {
    this.#retired = true
    if (this.#users === 0) void this.close(false)
  }

  get closed(): boolean {
    return this.#closed || this.#retired
  }

  /** @param end whether the server is told */
  async close(end: boolean): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (end && this.#users === 0) {
      const ended = calls.run(null, () => this.#transport.terminateSession())
      await within(END_MS, ended)
    }
    await this.#client.close().catch(() => {})
  }
}

const unreadable = (): McpFault => new McpFault('malformed', 'its answer is not as the protocol has it')
const closed = (): McpFault => new McpFault('aborted', 'the session was closed')

function readFault(error: Error): McpFault {
  if (error instanceof McpFault) return error
  if (error instanceof McpError)
    return new McpFault('refused', error.message.replace(/^MCP error -?\d+: /, ''), { code: error.code })
  return error instanceof StreamableHTTPError
    ? new McpFault('malformed', 'its content type is neither application/json nor text/event-stream')
    : unreadable()
}
