// Sessions of streamable HTTP. Invariants: at most MAX_SESSIONS; one that asks nothing for IDLE_MS is ended; a closed
// session holds nothing.
import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { ToolContext } from './context.ts'
import type { McpHandler } from './index.ts'
import { createServer } from './server.ts'

const MAX_SESSIONS = 500
const IDLE_MS = 30 * 60_000
const SWEEP_MS = 60_000

interface Session {
  transport: StreamableHTTPServerTransport
  lastUsed: number
  open: number
}

export function openSessions(context: ToolContext): McpHandler {
  const sessions = new Map<string, Session>()
  let starting = 0
  const sweep = setInterval(() => {
    for (const { transport, lastUsed, open } of sessions.values())
      if (open === 0 && Date.now() - lastUsed > IDLE_MS) void transport.close()
  }, SWEEP_MS)
  sweep.unref()

  const begin = async (): Promise<Session> => {
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, session),
    })
    const session: Session = { transport, lastUsed: Date.now(), open: 0 }
    // The server chains this handler to its own.
    transport.onclose = () => {
      if (transport.sessionId !== undefined) sessions.delete(transport.sessionId)
    }
    await createServer(context).connect(transport as Transport)
    return session
  }

  return {
    async handle(request, response, body) {
      const message = parsed(body)
      if (message === UNREADABLE) return refuse(response, 400, 'the body is not JSON', PARSE_ERROR)
      const id = request.headers['mcp-session-id']
      const known = typeof id === 'string' ? sessions.get(id) : undefined
      if (id !== undefined && !known) return refuse(response, 404, 'the session has ended; initialize again')
      if (!known && sessions.size + starting >= MAX_SESSIONS)
        return refuse(response, 503, 'there are too many sessions; end one, or try again later')
      if (!known) starting++
      try {
        const session = known ?? (await begin())
        session.open++
        response.once('close', () => {
          session.open--
          session.lastUsed = Date.now()
        })
        await session.transport.handleRequest(request, response, message)
        // It was no initialize: nobody could ever come back to it.
        if (session.transport.sessionId === undefined) await session.transport.close()
      } finally {
        if (!known) starting--
      }
    },
    async [Symbol.asyncDispose]() {
      clearInterval(sweep)
      await Promise.all([...sessions.values()].map(({ transport }) => transport.close()))
    },
  }
}

const UNREADABLE = Symbol('no JSON')

function parsed(body: string | undefined): unknown {
  try {
    return body === undefined ? undefined : JSON.parse(body)
  } catch {
    return UNREADABLE
  }
}

/** Of JSON-RPC. */
const PARSE_ERROR = -32_700

function refuse(
  response: ServerResponse,
  status: number,
  message: string,
  code = status === 404 ? -32_001 : -32_000,
): void {
  const body = { jsonrpc: '2.0', error: { code, message }, id: null }
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
