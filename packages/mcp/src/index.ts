// The library of the protocol is loaded with the first request: whoever has no agent does not pay for it.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ToolContext } from './context.ts'

export type { ToolContext } from './context.ts'
export { SpawnedPools } from './spawned-pools.ts'

export interface McpHandler extends AsyncDisposable {
  /**
   * Answers one request of MCP's streamable HTTP. The caller has checked who asks (token, Host, Origin).
   * @param body of a POST: whoever read it knew how large it may be
   */
  handle(request: IncomingMessage, response: ServerResponse, body: string | undefined): Promise<void>
}

/** Serves the tools over HTTP. Disposing of it ends its sessions, and cancels the tasks that their calls wait for. */
export function createMcpHandler(context: ToolContext): McpHandler {
  let opened: Promise<McpHandler> | null = null
  let closed = false
  return {
    async handle(request, response, body) {
      if (closed) {
        response.writeHead(503).end()
        return
      }
      opened ??= import('./http.ts').then(({ openSessions }) => openSessions(context))
      await (await opened).handle(request, response, body)
    },
    async [Symbol.asyncDispose]() {
      closed = true
      await (await opened)?.[Symbol.asyncDispose]()
    },
  }
}

/** Serves the tools on standard input and output, until the input ends or the signal is aborted. */
export async function serveMcpStdio(context: ToolContext, signal: AbortSignal): Promise<void> {
  const { serveStdio } = await import('./stdio.ts')
  await serveStdio(context, signal)
}
