// A real MCP server over HTTP, made with the SDK, with the tools of a server that poolmesh meets, and the ways in which such a
// server can go wrong.
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { McpServer, type RegisteredTool } from '@modelcontextprotocol/sdk/server/mcp.js'
import {
  type EventStore,
  StreamableHTTPServerTransport,
} from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { CallToolResult, JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import { type McpCall, type McpHandler, type McpKind, type ToolSpec, toolsOf } from './mcp-tools.ts'

type Json = Record<string, unknown>

/** What a call of a tool meets instead of being run. */
export type McpFault =
  | 'reset'
  | 'reset_mid_stream'
  | 'end_mid_stream'
  | 'huge'
  | 'wrong_type'
  | 'not_json'
  | 'no_message'
  | 'rpc_error'
  | 'redirect'
  | 'error_500'
  | 'busy_503'
  | 'unauthorized'
  | 'never'

export interface McpServerOptions {
  kind: McpKind
  handler?: McpHandler
  /** Asked for each call of a tool, and for `tools/list`; null: it does what it is asked. */
  fault?: (tool: string, args: Json) => McpFault | null
  /** Answers come as JSON and not as a stream. */
  json?: boolean
  /** Answers can be asked for again after their connection was cut. */
  resumable?: boolean
  /** Statuses other than 404 for a session that it does not know. */
  forgottenStatus?: number
  port?: number
}

interface Session {
  server: McpServer
  transport: StreamableHTTPServerTransport
  tools: Map<string, RegisteredTool>
}

export class McpTestServer implements AsyncDisposable {
  readonly calls: McpCall[] = []
  /** Calls that the client has cancelled. */
  readonly cancelled: McpCall[] = []
  /** Headers of each request, and what it was. */
  readonly requests: { method: string; rpc: string | undefined; headers: IncomingMessage['headers'] }[] = []
  /** Requests to where a redirect points. */
  redirected = 0
  /** Calls in hand. */
  running = 0
  readonly #options: McpServerOptions
  readonly #http: Server
  readonly #sessions = new Map<string, Session>()
  readonly #specs: Map<string, ToolSpec>
  /** Responses of calls that are not over, and when something of them was written. */
  readonly #open = new Map<ServerResponse, Promise<void>>()

  readonly #resumed = new Set<ServerResponse>()

  private constructor(options: McpServerOptions) {
    this.#options = options
    this.#specs = new Map(Object.entries(toolsOf(options.kind, options.handler ?? (() => 'done'))))
    this.#http = createServer((request, response) => void this.#serve(request, response))
  }

  static async start(options: McpServerOptions): Promise<McpTestServer> {
    const server = new McpTestServer(options)
    await new Promise<void>((resolve) => server.#http.listen(options.port ?? 0, '127.0.0.1', resolve))
    return server
  }

  get port(): number {
    return (this.#http.address() as AddressInfo).port
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}/mcp`
  }

  /** Sessions that are open. */
  get sessions(): number {
    return this.#sessions.size
  }

  /** Calls whose connection is open. */
  get openCalls(): number {
    return this.#open.size
  }

  count(rpc: string): number {
    return this.requests.filter((request) => request.rpc === rpc).length
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '/'
    const body = await bodyOf(request)
    const method = request.method ?? 'GET'
    this.requests.push({ method, rpc: body?.['method'] as string | undefined, headers: request.headers })
    if (path === '/health') return reply(response, 200, { status: 'healthy' })
    if (path === '/elsewhere') {
      this.redirected++
      return reply(response, 200, {})
    }
    if (path !== '/mcp') return reply(response, 404, { error: 'no such path' })
    const id = request.headers['mcp-session-id'] as string | undefined
    const session = id === undefined ? undefined : this.#sessions.get(id)
    if (id !== undefined && !session)
      return reply(response, this.#options.forgottenStatus ?? 404, { error: 'Session not found' })
    if (request.headers['last-event-id'] !== undefined) this.#resumed.add(response)
    if (body?.['method'] === 'tools/call') {
      this.#open.set(response, begun(response))
      response.once('close', () => this.#open.delete(response))
    }
    const fault = body && this.#faultOf(body)
    if (fault) return this.#misbehave(fault, response, body['id'])
    const { transport } = session ?? (await this.#begin())
    await transport.handleRequest(request, response, body ?? undefined)
  }

  #faultOf({ method, params }: Json): McpFault | null {
    if (method === 'tools/list') return this.#options.fault?.('tools/list', {}) ?? null
    if (method !== 'tools/call') return null
    const { name, arguments: args } = params as { name: string; arguments: Json }
    return this.#options.fault?.(name, args) ?? null
  }

  async #begin(): Promise<Session> {
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      enableJsonResponse: this.#options.json ?? false,
      onsessioninitialized: (id) => void this.#sessions.set(id, session),
      onsessionclosed: (id) => void this.#sessions.delete(id),
      ...(this.#options.resumable ? { eventStore: new Events(), retryInterval: 50 } : {}),
    })
    const server = new McpServer({ name: this.#options.kind, version: '1' })
    const session: Session = { server, transport, tools: new Map() }
    for (const [name, spec] of this.#specs) session.tools.set(name, this.#register(server, name, spec))
    await server.connect(transport as Transport)
    return session
  }

  #register(server: McpServer, tool: string, spec: ToolSpec): RegisteredTool {
    return server.registerTool(tool, { inputSchema: spec.input }, async (args, extra) => {
      const { signal, sessionId } = extra
      const progressToken = extra._meta?.progressToken
      const call: McpCall = {
        tool,
        args: args as Json,
        meta: { ...extra._meta },
        signal,
        session: sessionId,
        progress: async (progress, total, message) => {
          if (progressToken === undefined) return
          const params = { progressToken, progress, total, message }
          await extra.sendNotification({ method: 'notifications/progress', params })
        },
      }
      this.calls.push(call)
      signal.addEventListener('abort', () => this.cancelled.push(call))
      this.running++
      try {
        return asFastMcp(await spec.run(call))
      } finally {
        this.running--
      }
    })
  }

  #misbehave(fault: McpFault, response: ServerResponse, id: unknown): void {
    const head = (status: number, type = 'application/json', more: Record<string, string> = {}) =>
      response.writeHead(status, { 'content-type': type, ...more })
    switch (fault) {
      case 'reset':
        response.socket?.resetAndDestroy()
        break
      case 'reset_mid_stream':
        head(200, 'text/event-stream').write('event: message\ndata: {"jsonrpc":', () =>
          response.socket?.resetAndDestroy(),
        )
        break
      case 'end_mid_stream':
        head(200, 'text/event-stream').end(': nothing more\n\n')
        break
      case 'huge':
        head(200, 'text/event-stream')
        flood(response)
        break
      case 'wrong_type':
        head(200, 'text/html').end('<html>a login page</html>')
        break
      case 'not_json':
        head(200).end('{"jsonrpc":"2.0","id":')
        break
      case 'no_message':
        head(200, 'text/event-stream').write('event: message\ndata: {"ok":true}\n\n')
        break
      case 'rpc_error':
        head(200).end(
          JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32602, message: 'Unknown tool: x' } }),
        )
        break
      case 'redirect':
        head(307, 'application/json', { location: '/elsewhere' }).end('{}')
        break
      case 'error_500':
        head(500).end('{}')
        break
      case 'busy_503':
        head(503, 'application/json', { 'retry-after': '7' }).end('{}')
        break
      case 'unauthorized':
        head(401).end('{}')
        break
      case 'never':
        break
    }
  }

  /** As after a restart that keeps nothing. What runs goes on. */
  forgetSessions(): void {
    this.#sessions.clear()
  }

  /** Adds tools, or removes those of a value of null, and tells every session. */
  changeTools(changes: Record<string, ToolSpec | null>): void {
    for (const [name, spec] of Object.entries(changes)) {
      if (spec) this.#specs.set(name, spec)
      else this.#specs.delete(name)
      for (const { server, tools } of this.#sessions.values()) {
        tools.get(name)?.remove()
        if (spec) tools.set(name, this.#register(server, name, spec))
      }
    }
  }

  /** Cuts the connections of the calls in hand once their streams have begun to be sent; the calls go on. */
  async cutCalls(): Promise<void> {
    for (const [response, started] of this.#open) {
      await started
      response.socket?.destroySoon()
    }
  }

  /** Cuts the connections on which the rest of an answer was asked for. */
  cutResumed(): void {
    for (const response of this.#resumed) response.socket?.resetAndDestroy()
    this.#resumed.clear()
  }

  /** As a process that is killed: all connections are cut, nobody listens, nothing is known any more. */
  async kill(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()))
    this.#http.closeAllConnections()
    await closed
    this.#sessions.clear()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#http.listening) await this.kill()
  }
}

/** Objects as structured content and as JSON text; a text as it is, and wrapped. */
function asFastMcp(value: unknown): CallToolResult {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return {
    content: [{ type: 'text', text }],
    structuredContent: isObject ? (value as Json) : { result: value },
  }
}

/** Keeps what was sent for as long as the server lives. */
class Events implements EventStore {
  readonly #events: { id: string; stream: string; message: JSONRPCMessage }[] = []

  async storeEvent(stream: string, message: JSONRPCMessage): Promise<string> {
    const id = `${this.#events.length}`
    this.#events.push({ id, stream, message })
    return id
  }

  async getStreamIdForEventId(id: string): Promise<string | undefined> {
    return this.#events[Number(id)]?.stream
  }

  async replayEventsAfter(
    last: string,
    { send }: { send: (id: string, message: JSONRPCMessage) => Promise<void> },
  ): Promise<string> {
    const stream = this.#events[Number(last)]?.stream ?? ''
    const later = this.#events.slice(Number(last) + 1).filter((event) => event.stream === stream)
    for (const { id, message } of later) await send(id, message)
    return stream
  }
}

async function bodyOf(request: IncomingMessage): Promise<Json | null> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return chunks.length === 0 ? null : (JSON.parse(Buffer.concat(chunks).toString()) as Json)
}

/** Resolves when a part of its body is written. */
async function begun(response: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const write = response.write.bind(response)
  response.write = ((...args: Parameters<typeof write>) => {
    resolve()
    return write(...args)
  }) as typeof response.write
  await promise
}

function reply(response: ServerResponse, status: number, body: Json): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

/** Without an end, as fast as it is taken. */
function flood(response: ServerResponse): void {
  const chunk = Buffer.alloc(1024 * 1024, ' ')
  const more = (): void => {
    while (!response.destroyed && response.write(chunk));
  }
  response.on('drain', more)
  more()
}
