// Requests and replies of the services, and the events that they publish.
import * as z from 'zod'
import { HealthStatus, RoutingStrategy, TaskStatus } from './enums.ts'
import { idSchema } from './ids.ts'
import { pageLimit, upTo } from './paging.ts'
import { endpointSchema, poolDescriptorSchema, poolTypeSchema } from './pool.ts'

/** Checks that are kept for each pool. */
export const MAX_HISTORY = 100

/** Endpoints that one `pool.discover` asks. */
export const MAX_ENDPOINTS = 1000

/** Sets of requirements that `executor.stats` tells of. */
export const MAX_WAITING = 100

/** Characters of a reason for cancelling that are kept. */
const MAX_REASON = 1024

export const taskIdRequestSchema = z.looseObject({ task_id: idSchema })
export const cancelRequestSchema = z.looseObject({
  task_id: idSchema,
  reason: z
    .string()
    .transform((reason) => reason.slice(0, MAX_REASON))
    .optional(),
})
export type CancelRequest = z.output<typeof cancelRequestSchema>
export const cancelReplySchema = z.looseObject({
  task_id: idSchema,
  cancelled: z.boolean(),
  status: z.enum(Object.values(TaskStatus)),
})
export type CancelReply = z.output<typeof cancelReplySchema>

export const candidateSchema = z.looseObject({
  pool: z.string(),
  verdict: z.enum(['chosen', 'fits', 'full', 'unavailable', 'unfit']),
  reason: z.string(),
  score: z.number().nullable(),
  cancel: z
    .enum(['acknowledged', 'requested', 'unsupported'])
    .optional()
    .describe(
      'Of a task that is cancelled while it runs: the pool says when it has stopped, is asked and may never say, or cannot be asked.',
    ),
  output: z
    .boolean()
    .optional()
    .describe('Whether results from there have what the task gave; false: a text about it at most.'),
})
export const explainReplySchema = z.looseObject({
  task_id: z.string().nullable(),
  status: z.enum(Object.values(TaskStatus)).nullable(),
  strategy: z
    .enum(Object.values(RoutingStrategy))
    .nullable()
    .describe('Null of a task that has ended: how it was routed is not kept.'),
  chosen: z.string().nullable(),
  candidates: z.array(candidateSchema).max(50).describe('The best 50.'),
  counts: z.record(z.string(), z.int()).describe('How many pools there are for each reason.'),
  waiting_for: z.string().nullable().describe('Why it does not run now, for people; null where it can.'),
})
export type Candidate = z.output<typeof candidateSchema>
export type ExplainReply = z.output<typeof explainReplySchema>

export const deregisterRequestSchema = z.looseObject({ name: idSchema, drain: z.boolean().default(false) })
/** What `pool.deregister` answers. */
export const deregisterReplySchema = z.looseObject({
  name: idSchema,
  draining: z.boolean().describe('True: it is gone when its last task ends. False: it is gone.'),
})
export type DeregisterReply = z.output<typeof deregisterReplySchema>
export const poolNameRequestSchema = z.looseObject({ name: idSchema })
export const poolListRequestSchema = z.looseObject({
  capability: z.string().optional(),
  region: z.string().optional(),
  pool_type: poolTypeSchema.optional(),
  active_only: z.boolean().default(false),
  limit: pageLimit,
  cursor: z.string().max(256).nullish(),
})
export type PoolListRequest = z.input<typeof poolListRequestSchema>
export const derivedPoolSchema = z.looseObject({
  ...poolDescriptorSchema.shape,
  load_factor: z.number().min(0).max(1),
  is_available: z.boolean(),
  utilization: z.string(),
})
export const poolListReplySchema = z.looseObject({
  pools: z.array(derivedPoolSchema),
  cursor: z.string().nullable(),
})
export const poolStatsReplySchema = z.looseObject({
  total_pools: z.int(),
  active_pools: z.int(),
  pool_types: z.record(z.string(), z.int()),
  capabilities: z.record(z.string(), z.int()),
})
export type PoolStatsReply = z.output<typeof poolStatsReplySchema>
export const discoverRequestSchema = z.looseObject({
  endpoints: z.array(endpointSchema).max(MAX_ENDPOINTS).optional(),
})
export const discoverReplySchema = z.looseObject({
  new: z.array(z.string()),
  changed: z.array(z.string()),
  gone: z.array(z.string()),
  failed: z.array(z.looseObject({ endpoint: z.string(), reason: z.string() })),
})
export type DiscoverReply = z.output<typeof discoverReplySchema>

/** What a pool answers on `pool.health.<name>`. */
export const poolHealthAnswerSchema = z.looseObject({
  status: z.enum(Object.values(HealthStatus)),
  current_workers: z.int().min(0).optional(),
  queue_size: z.int().min(0).optional(),
})
export const healthCheckRequestSchema = z.looseObject({ name: idSchema.optional() })
export const healthHistoryRequestSchema = z.looseObject({
  name: idSchema,
  limit: upTo(MAX_HISTORY).default(MAX_HISTORY),
})
export const poolHealthSchema = z.looseObject({
  status: z.enum(Object.values(HealthStatus)),
  response_time: z.number().nullable().describe('Milliseconds; null where the pool did not answer.'),
  last_check: z.string(),
  error: z.string().nullable(),
})
/** One check of one pool. */
export type PoolHealth = z.output<typeof poolHealthSchema>
export const healthCheckReplySchema = z.record(z.string(), poolHealthSchema)
export const healthHistoryReplySchema = z.looseObject({ name: idSchema, checks: z.array(poolHealthSchema) })
export const healthStatsReplySchema = z.looseObject({
  check_interval: z.number().describe('Seconds.'),
  pools_monitored: z.int(),
  total_health_checks: z.int(),
})
export type HealthStatsReply = z.output<typeof healthStatsReplySchema>

/** Counts by upper bound in milliseconds, cumulative like Prometheus's: `le` is null for "any". */
export const histogramSchema = z.looseObject({
  count: z.int(),
  sum_ms: z.number(),
  buckets: z.array(z.object({ le: z.number().nullable(), count: z.int() })),
})
export type HistogramReply = z.output<typeof histogramSchema>
export const executorStatsReplySchema = z.looseObject({
  active_tasks: z.int(),
  completed_tasks: z.int(),
  task_status_breakdown: z.record(z.string(), z.int()),
  queue_time: histogramSchema,
  run_time: histogramSchema,
  waiting: z
    .array(
      z.looseObject({
        required_capabilities: z.array(z.string()),
        pool: z.string().nullable().describe('The one pool that may run them; null: any that fits.'),
        tasks: z.int(),
      }),
    )
    .max(MAX_WAITING)
    .default([])
    .describe('What the tasks that wait in memory require, the most frequent first.'),
})
export type ExecutorStatsReply = z.output<typeof executorStatsReplySchema>

export const poolEventSchema = z.looseObject({
  event_id: z.string(),
  at: z.string(),
  pool: z.string(),
  reason: z.string(),
  previous_status: z.enum(Object.values(HealthStatus)).nullable(),
})
export type PoolEvent = z.output<typeof poolEventSchema>

export const rejectionSchema = z.looseObject({
  error: z.looseObject({
    code: z.string(),
    message: z.string(),
    issues: z.array(z.looseObject({ path: z.string(), message: z.string() })),
  }),
  received: z.string().describe('The first 4 KiB of what was published.'),
  at: z.string(),
})
export type Rejection = z.output<typeof rejectionSchema>
