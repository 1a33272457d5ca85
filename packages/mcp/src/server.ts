import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { withSpan } from '@poolmesh/bus'
import { PoolmeshError } from '@poolmesh/types'
import type { ToolContext } from './context.ts'
import { type Telling, TOOLS } from './tools.ts'

const ADVICE: Partial<Record<string, string>> = {
  NOT_FOUND: 'pool_list shows the pools that there are.',
  UNAVAILABLE: 'Check that poolmesh runs, then try again.',
  INVALID_INPUT: 'Correct the arguments and call again.',
  OVERLOADED: 'Wait a little, then try again.',
}

/** One session's server. */
export function createServer(context: ToolContext): McpServer {
  const server = new McpServer({ name: 'poolmesh', version: '0.1.0' })
  for (const tool of TOOLS) {
    const { name, title, description, input, output: outputSchema, annotations } = tool
    server.registerTool(
      name,
      { title, description, inputSchema: input, outputSchema, annotations },
      async (args: Record<string, unknown>, extra): Promise<CallToolResult> => {
        const token = extra._meta?.progressToken
        let progress = 0
        const telling: Telling = {
          signal: extra.signal,
          progress(message) {
            if (token === undefined) return
            const params = { progressToken: token, progress: ++progress, message }
            extra.sendNotification({ method: 'notifications/progress', params }).catch(() => {})
          },
        }
        const call = async (): Promise<CallToolResult> => {
          try {
            const output = await tool.run(context, args, telling)
            const content = [{ type: 'text' as const, text: JSON.stringify(output) }]
            return { content, structuredContent: { ...output } }
          } catch (error) {
            return failed(error)
          }
        }
        // Where traces are on. Names are those of OpenTelemetry's conventions for MCP.
        const about = {
          'mcp.method.name': 'tools/call',
          'gen_ai.operation.name': 'execute_tool',
          'gen_ai.tool.name': name,
          'jsonrpc.request.id': String(extra.requestId),
          ...(extra.sessionId === undefined ? {} : { 'mcp.session.id': extra.sessionId }),
        }
        const failure = ({ isError }: CallToolResult) => (isError ? 'tool_error' : undefined)
        return await withSpan(`tools/call ${name}`, extra._meta, about, call, failure)
      },
    )
  }
  return server
}

function failed(error: unknown): CallToolResult {
  const { code, message, issues } =
    error instanceof PoolmeshError
      ? error
      : { code: 'INTERNAL', message: error instanceof Error ? error.message : 'unknown fault', issues: [] }
  const advice = ADVICE[code]
  const text = `${code}: ${message}${advice === undefined ? '' : `. ${advice}`}`
  return {
    isError: true,
    content: [{ type: 'text', text }],
    // Not as structured content: clients hold that against the schema of what the tool answers.
    _meta: { error: { code, message, issues } },
  }
}
