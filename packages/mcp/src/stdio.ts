import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import type { ToolContext } from './context.ts'
import { createServer } from './server.ts'

/** Standard output is the protocol's: nothing else may write there. */
export async function serveStdio(context: ToolContext, signal: AbortSignal): Promise<void> {
  const server = createServer(context)
  const ended = Promise.withResolvers<void>()
  const end = (): void => ended.resolve()
  signal.addEventListener('abort', end)
  process.stdin.once('end', end)
  process.stdin.once('close', end)
  await server.connect(new StdioServerTransport())
  if (!signal.aborted) await ended.promise
  signal.removeEventListener('abort', end)
  await server.close()
}
