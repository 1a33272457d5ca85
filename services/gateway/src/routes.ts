import type { Gateway } from './context.ts'
import type { Room } from './http/room.ts'
import type { Route } from './http/route.ts'
import { openApiRoute } from './openapi.ts'
import type { Readiness } from './readiness.ts'
import { batchRoutes } from './routes/batch.ts'
import { deadRoutes } from './routes/dead.ts'
import { eventRoutes } from './routes/events.ts'
import { fanOutRoutes } from './routes/fanouts.ts'
import { lookingRoutes } from './routes/looking.ts'
import { poolRoutes } from './routes/pools.ts'
import { Submitting } from './routes/submitting.ts'
import { taskRoutes } from './routes/tasks.ts'

export function routesOf(gateway: Gateway, probe: () => Promise<Readiness>, room: Room): Route[] {
  const submitting = new Submitting(gateway.executor)
  const routes = [
    ...lookingRoutes(gateway, probe),
    ...taskRoutes(gateway, submitting),
    ...batchRoutes(gateway, submitting, room),
    ...fanOutRoutes(gateway, submitting),
    ...poolRoutes(gateway),
    ...deadRoutes(gateway),
    ...eventRoutes(gateway),
  ]
  routes.push(openApiRoute(() => routes))
  return routes
}
