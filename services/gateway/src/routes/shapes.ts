// Schemas of HTTP alone: what the bus has too is in @poolmesh/types.
import {
  DEFAULT_PAGE,
  derivedPoolSchema,
  HealthStatus,
  idSchema,
  MAX_PAGE,
  poolEventSchema,
  resultSchema,
  statusReplySchema,
  TaskStatus,
} from '@poolmesh/types'
import * as z from 'zod'

/** Everything in a query is text. */
export const limitSchema = z
  .string()
  .regex(/^[1-9]\d*$/, 'must be a whole number from 1')
  .optional()
  .transform((text) => Math.min(MAX_PAGE, text === undefined ? DEFAULT_PAGE : Number(text)))
  .describe(`Items at most; default ${DEFAULT_PAGE}, more than ${MAX_PAGE} counts as ${MAX_PAGE}.`)
const cursorSchema = z.string().max(256).optional().describe('`next` of the page before.')
export const flagSchema = z
  .enum(['true', 'false'])
  .optional()
  .transform((text) => text === 'true')

export const pageQuery = z.object({ limit: limitSchema, cursor: cursorSchema })
export const taskParams = z.object({ id: idSchema })
export const poolParams = z.object({ name: idSchema })

export const pageOf = (item: z.ZodType) =>
  z.object({
    items: z.array(item),
    next: z.string().nullable().describe('Where to go on, as `cursor`; null on the last page.'),
  })

export const taskSummarySchema = z.object({
  task_id: z.string(),
  status: z.enum(Object.values(TaskStatus)),
  pool_name: z.string().nullable(),
  task_type: z.string().nullable().describe('Null where it is not known: a stored result does not tell it.'),
  duration: z.number().nullable().describe('Seconds of the run.'),
  queued_ms: z.number().nullable(),
  attempts: z.number().nullable(),
  reason: z.string().nullable().describe('A code of the list of errors, where it did not complete.'),
  error: z.string().nullable(),
  submitted_at: z.string().nullable(),
  started_at: z.string().nullable(),
  finished_at: z.string().nullable(),
})
export const taskStateSchema = z.looseObject({
  ...statusReplySchema.shape,
  result: resultSchema.nullable().describe('Null until it has ended.'),
})
export const acceptedSchema = z.object({ task_id: idSchema, status: z.literal('pending') })
export const problemSchema = z.object({
  type: z.string().describe('`urn:poolmesh:error:<code>`'),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  instance: z.string(),
  code: z.string().describe('Of the list of errors, as on the bus.'),
  issues: z.array(z.object({ path: z.string(), message: z.string() })),
  retry_after_ms: z.int().optional(),
})
export const alertSchema = z.looseObject({
  ...poolEventSchema.shape,
  kind: z.enum(['unhealthy', 'recovered']),
  sequence: z.int(),
})
export const poolSchema = derivedPoolSchema
export const healthSchema = z.enum(Object.values(HealthStatus))

const quantilesSchema = z.object({
  p50: z.number().nullable(),
  p95: z.number().nullable(),
  p99: z.number().nullable(),
})
const ratesSchema = { submitted: z.number(), completed: z.number(), failed: z.number() }
export const overviewSchema = z.object({
  now: z.string(),
  rates: z.object(ratesSchema).describe('A second, over the last five.'),
  latency_ms: quantilesSchema.describe('Of runs that ended in the last five seconds.'),
  queue_ms: quantilesSchema.describe('How long what was dispatched in the last five seconds had waited.'),
  backlog: z
    .array(z.object({ lane: z.string(), pending: z.int() }))
    .describe('Messages that lie in the stream, waiting or running; a batch is one.'),
  tasks: z.object({ pending: z.int(), running: z.int() }),
  pools: z.object({ total: z.int(), healthy: z.int(), degraded: z.int(), unhealthy: z.int() }),
  slots: z.object({ total: z.int(), used: z.int() }),
  executors: z.int(),
  alerts: z.array(alertSchema).describe('The last 20, newest first.'),
  history: z
    .array(
      z.object({
        t: z.string(),
        ...ratesSchema,
        p50: z.number().nullable(),
        p99: z.number().nullable(),
        pending: z.number(),
      }),
    )
    .describe('The last 15 minutes, every 5 s, oldest first.'),
})
