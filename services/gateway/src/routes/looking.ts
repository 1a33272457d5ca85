// What the system does, as a whole.

import { searchMemory } from '@poolmesh/client'
import { memorySearchReplySchema } from '@poolmesh/types'
import * as z from 'zod'
import type { Gateway } from '../context.ts'
import { type Route, route } from '../http/route.ts'
import type { Readiness } from '../readiness.ts'
import { alertSchema, limitSchema, overviewSchema, pageOf, pageQuery } from './shapes.ts'

const readinessSchema = z.object({
  ready: z.boolean(),
  missing: z.array(z.string()),
  parts: z.record(z.string(), z.enum(['up', 'down'])),
})

export function lookingRoutes({ nc, live, metricsText }: Gateway, probe: () => Promise<Readiness>): Route[] {
  const tag = 'overview'
  return [
    route({
      method: 'GET',
      path: '/healthz',
      id: 'health',
      tag,
      summary: 'This process is up. Needs no token.',
      answers: { 200: { description: 'It is.', schema: z.object({ status: z.literal('up') }) } },
      handle: () => ({ status: 'up' }),
    }),
    route({
      method: 'GET',
      path: '/readyz',
      id: 'readiness',
      tag,
      summary: 'Tasks can run: the broker, a registry and an executor answer. Needs no token.',
      answers: {
        200: { description: 'They can.', schema: readinessSchema },
        503: { description: 'They cannot; `missing` says why.', schema: readinessSchema },
      },
      handle: async ({ reply }) => {
        const readiness = await probe()
        if (!readiness.ready) reply.code(503)
        return readiness
      },
    }),
    route({
      method: 'GET',
      path: '/metrics',
      id: 'metrics',
      tag,
      summary: 'The whole system, for Prometheus.',
      answers: {
        200: { description: 'Metrics in text.', schema: z.string(), type: 'text/plain' },
      },
      handle: async ({ reply }) => {
        const text = await metricsText()
        return reply.type('text/plain; version=0.0.4; charset=utf-8').send(text)
      },
    }),
    route({
      method: 'GET',
      path: '/api/v1/overview',
      id: 'overview',
      tag,
      summary: 'Rates, latencies, backlog, pools, alerts, and the last 15 minutes.',
      answers: { 200: { description: 'Now.', schema: overviewSchema } },
      handle: () => live.overview(),
    }),
    route({
      method: 'GET',
      path: '/api/v1/alerts',
      id: 'listAlerts',
      tag,
      summary: 'Pools that became unhealthy, and that recovered: newest first, of the last 7 days.',
      query: pageQuery.extend({ pool: z.string().max(64).optional() }),
      answers: {
        200: { description: 'One page; may be short although more follows.', schema: pageOf(alertSchema) },
      },
      handle: ({ query: { pool, limit, cursor } }) => live.alerts.list({ pool }, limit, cursor),
    }),
    route({
      method: 'GET',
      path: '/api/v1/memory',
      id: 'searchMemory',
      tag,
      summary: 'Searches what tasks came to. 503 where the memory service does not run.',
      query: z.object({ query: z.string().min(1).max(1_000), limit: limitSchema }),
      answers: { 200: { description: 'What was found.', schema: memorySearchReplySchema } },
      handle: ({ query: { query, limit } }) => searchMemory(nc, query, Math.min(limit, 100)),
    }),
  ]
}
