import type { McpHandler } from '@poolmesh/mcp'
import type { Plug } from './plugs.ts'

/** The tools for agents at `/mcp`, under the guard of everything else here. */
export const mcpPlug = (mcp: McpHandler): Plug => ({
  mount(app) {
    app.route({
      method: ['GET', 'POST', 'DELETE'],
      url: '/mcp',
      async handler(request, reply) {
        reply.hijack()
        await mcp.handle(request.raw, reply.raw)
      },
    })
  },
})
