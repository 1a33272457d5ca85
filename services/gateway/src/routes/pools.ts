import { recentResults, summaryOf } from '@poolmesh/client'
import { cursorAfter, nameOfCursor } from '@poolmesh/core'
import {
  deregisterReplySchema,
  healthHistoryReplySchema,
  PoolmeshError,
  poolDescriptorSchema,
  poolHealthSchema,
  poolTypeSchema,
} from '@poolmesh/types'
import * as z from 'zod'
import type { Gateway } from '../context.ts'
import { type Route, route } from '../http/route.ts'
import { shownPool } from '../pools/shown.ts'
import {
  flagSchema,
  healthSchema,
  pageOf,
  pageQuery,
  poolParams,
  poolSchema,
  taskSummarySchema,
} from './shapes.ts'

/** For a page of what ended on a pool: somebody waits for it. */
const TASKS_LOOKED_AT = 20_000

const listQuery = pageQuery.extend({
  q: z.string().max(128).optional().describe('A part of the name, the region or a capability, in any case.'),
  kind: poolTypeSchema.optional(),
  region: z.string().max(256).optional(),
  capability: z.string().max(256).optional(),
  health: healthSchema.optional(),
})

export function poolRoutes({ nc, registry, monitor, live }: Gateway): Route[] {
  const known = (name: string) => {
    const pool = live.pools.get(name)
    if (!pool) throw new PoolmeshError('NOT_FOUND', `there is no pool ${name}`)
    return pool
  }
  return [
    route({
      method: 'GET',
      path: '/api/v1/pools',
      id: 'listPools',
      tag: 'pools',
      summary: 'Pools by name, filtered.',
      query: listQuery,
      answers: { 200: { description: 'One page.', schema: pageOf(poolSchema) } },
      handle: ({ query: { q, kind, region, capability, health, limit, cursor } }) => {
        const after = cursor === undefined ? null : nameOfCursor(cursor)
        if (cursor !== undefined && after === null)
          throw new PoolmeshError(
            'INVALID_INPUT',
            'the request is not valid at cursor: is none that a list gave',
            [{ path: 'cursor', message: 'is none that a list gave' }],
          )
        const words = q?.toLowerCase()
        const items = []
        for (const pool of live.pools.walk({ pool_type: kind, region, capability }, after)) {
          if (health !== undefined && pool.health_status !== health) continue
          if (words !== undefined && !mentions(pool, words)) continue
          if (items.length === limit) return { items, next: cursorAfter(items.at(-1)!.name) }
          items.push(pool)
        }
        return { items, next: null }
      },
    }),
    route({
      method: 'POST',
      path: '/api/v1/pools',
      id: 'registerPool',
      tag: 'pools',
      summary: 'Registers a pool, or replaces the one of that name.',
      body: poolDescriptorSchema,
      checksBody: false,
      answers: { 201: { description: 'As it is stored.', schema: poolSchema } },
      handle: async ({ body, reply }) => {
        const pool = await registry.registerPool(body)
        reply.header('location', `/api/v1/pools/${pool.name}`)
        return shownPool(pool)
      },
    }),
    route({
      method: 'GET',
      path: '/api/v1/pools/{name}',
      id: 'getPool',
      tag: 'pools',
      summary: 'One pool.',
      params: poolParams,
      answers: { 200: { description: 'The pool.', schema: poolSchema } },
      handle: ({ params: { name } }) => known(name),
    }),
    route({
      method: 'DELETE',
      path: '/api/v1/pools/{name}',
      id: 'deregisterPool',
      tag: 'pools',
      summary: 'Takes a pool out; with `drain=true` when its last task has ended.',
      params: poolParams,
      query: z.object({ drain: flagSchema }),
      answers: { 200: { description: 'Gone, or going.', schema: deregisterReplySchema } },
      handle: ({ params: { name }, query: { drain } }) => registry.deregisterPool(name, { drain }),
    }),
    route({
      method: 'POST',
      path: '/api/v1/pools/{name}/check',
      id: 'checkPool',
      tag: 'pools',
      summary: 'Checks the health of a pool now.',
      params: poolParams,
      answers: { 200: { description: 'What was found.', schema: poolHealthSchema } },
      handle: ({ params: { name } }) => monitor.checkPool(name),
    }),
    route({
      method: 'GET',
      path: '/api/v1/pools/{name}/checks',
      id: 'listPoolChecks',
      tag: 'pools',
      summary: 'The last checks of a pool, oldest first, with how long it took to answer.',
      params: poolParams,
      query: z.object({ limit: pageQuery.shape.limit }),
      answers: { 200: { description: 'At most 100.', schema: healthHistoryReplySchema } },
      handle: async ({ params: { name }, query: { limit } }) => {
        known(name)
        return { name, checks: await monitor.getPoolHistory(name, { limit }) }
      },
    }),
    route({
      method: 'GET',
      path: '/api/v1/pools/{name}/tasks',
      id: 'listPoolTasks',
      tag: 'pools',
      summary: 'What ended on a pool lately, newest first.',
      params: poolParams,
      query: pageQuery,
      answers: {
        200: {
          description: 'One page; may be short although more follows.',
          schema: pageOf(taskSummarySchema),
        },
      },
      handle: async ({ params: { name }, query: { limit, cursor } }) => {
        const page = await recentResults(nc, { filter: { pool: name }, limit, cursor, scan: TASKS_LOOKED_AT })
        return { items: page.items.map(({ result, at }) => summaryOf(result, at)), next: page.cursor }
      },
    }),
  ]
}

const mentions = (
  pool: { name: string; region: string | null; capabilities: string[] },
  words: string,
): boolean =>
  pool.name.toLowerCase().includes(words) ||
  pool.region?.toLowerCase().includes(words) === true ||
  pool.capabilities.some((capability) => capability.toLowerCase().includes(words))
