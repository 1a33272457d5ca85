import type { McpHandler } from '@poolmesh/mcp'
import { HttpFault } from './http/problem.ts'
import type { Plug } from './plugs.ts'
import { TASK_BYTES } from './routes/tasks.ts'

const METHODS = ['GET', 'POST', 'DELETE']
const url = '/mcp'

/** The tools for agents at `/mcp`, under the guard and the limits of everything else here. */
export const mcpPlug = (mcp: McpHandler): Plug => ({
  mount(app, bodies) {
    app.route({
      method: METHODS,
      url,
      async handler(request, reply) {
        const text = request.method === 'POST' ? await bodies.read(request.raw, TASK_BYTES) : undefined
        reply.hijack()
        await mcp.handle(request.raw, reply.raw, text)
      },
    })
    app.route({
      method: ['PUT', 'PATCH'],
      url,
      handler({ method }) {
        throw new HttpFault(405, 'INVALID_INPUT', `${method} is not served here`, {
          allow: METHODS.join(', '),
        })
      },
    })
  },
})
