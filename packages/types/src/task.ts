import * as z from 'zod'
import { Aggregation, RoutingStrategy } from './enums.ts'
import { idSchema } from './ids.ts'
import { jsonObjectSchema } from './json-object.ts'

export const DEFAULT_TIMEOUT_S = 300
export const DEFAULT_PRIORITY = 5
export const DEFAULT_MAX_PARALLEL = 10
export const MAX_FAN_OUT_POOLS = 10_000

export const fanOutSchema = z
  .looseObject({
    pools: z
      .union([z.literal('all'), z.array(idSchema).min(1).max(MAX_FAN_OUT_POOLS)])
      .describe('The names of the pools to run on, or `all` that are active and fit.'),
    aggregation: z.enum(Object.values(Aggregation)).describe('What decides the one result.'),
    quorum: z
      .int()
      .min(1)
      .optional()
      .describe('Successes that `quorum` needs; if left out, more than half of the branches.'),
    max_parallel: z
      .int()
      .min(1)
      .default(DEFAULT_MAX_PARALLEL)
      .describe('Branches that run at the same time.'),
  })
  .superRefine((fanOut, context) => {
    const pools = fanOut.pools === 'all' ? null : new Set(fanOut.pools).size
    if (
      fanOut.aggregation === 'quorum' &&
      fanOut.quorum !== undefined &&
      pools !== null &&
      fanOut.quorum > pools
    )
      context.addIssue({
        code: 'custom',
        path: ['quorum'],
        message: `is ${fanOut.quorum}, but there are only ${pools} pools`,
      })
  })
export type FanOut = z.output<typeof fanOutSchema>

const MAX_TASK_TYPE = 128

/** 1–128 characters. Characters are code points, as in JSON Schema; `length` counts those beyond U+FFFF twice. */
export const isTaskType = (value: unknown): value is string =>
  typeof value === 'string' &&
  value.length > 0 &&
  (value.length <= MAX_TASK_TYPE || (value.length <= 2 * MAX_TASK_TYPE && [...value].length <= MAX_TASK_TYPE))

const queueTimeout = z
  .number()
  .min(1)
  .max(604_800)
  .describe('Seconds that the task may wait for a pool; it then ends `timeout`. Default: its `timeout`.')

const id = idSchema
const shape = {
  task_type: z.string().refine(isTaskType, `must be 1 to ${MAX_TASK_TYPE} characters`).meta({
    minLength: 1,
    maxLength: MAX_TASK_TYPE,
    description: 'What kind of work it is; the pool decides by it.',
  }),
  payload: jsonObjectSchema.describe('The work itself, for the pool.'),
  required_capabilities: z.array(z.string()).default([]).describe('A pool must have all of them.'),
  timeout: z.int().min(1).max(3600).default(DEFAULT_TIMEOUT_S).describe('Seconds that one run may take.'),
  priority: z.int().min(0).max(100).default(DEFAULT_PRIORITY).describe('Higher goes first.'),
  metadata: jsonObjectSchema
    .default({})
    .describe(
      '`region`, `affinity_key`, `preferred_capabilities`, `tenant`, `traceparent` and `tracestate` have a meaning; the rest is passed on.',
    ),
  queue_timeout: queueTimeout.optional(),
  max_attempts: z
    .int()
    .min(1)
    .max(20)
    .default(1)
    .describe('How often a reported failure is tried; a lost pool never uses up an attempt.'),
  idempotent: z.boolean().default(false).describe('It may run twice at once: allows hedging.'),
  not_before: z.iso
    .datetime({ offset: true })
    .nullish()
    .describe('The time (RFC 3339) before which it does not run.'),
  pool: idSchema.nullish().describe('Runs on this pool and nowhere else.'),
  fan_out: fanOutSchema.nullish().describe('Makes it one task that runs on several pools.'),
}
const strategy = z.enum(Object.values(RoutingStrategy))

/** A task as anyone may submit it: `task_id` and whatever has a default may be left out. */
export const taskInputSchema = z
  .looseObject({
    task_id: id.optional().describe('Default: a new id.'),
    routing_strategy: strategy
      .optional()
      .describe('How a pool is chosen among those that fit. Default: the settings’, else `least_loaded`.'),
    ...shape,
  })
  .superRefine((task, context) => {
    if (task.pool != null && task.fan_out != null)
      context.addIssue({
        code: 'custom',
        path: ['pool'],
        message: 'cannot go with fan_out, which names its pools itself',
      })
  })
  // The same for those who check by the JSON Schema.
  .meta({
    not: {
      properties: { pool: { type: 'string' }, fan_out: { type: 'object' } },
      required: ['pool', 'fan_out'],
    },
  })
export type DistributedTaskInput = z.input<typeof taskInputSchema>

/** A task as it is stored and as a pool gets it: everything that has a default is filled in. */
export const taskSchema = z.looseObject({
  task_id: id,
  routing_strategy: strategy.default('least_loaded'),
  ...shape,
  queue_timeout: queueTimeout,
})
export type DistributedTask = z.output<typeof taskSchema>

/**
 * Fills in what was left out. `queue_timeout` defaults to `timeout`.
 * @param defaultStrategy the settings' routing strategy
 */
export function completeTask(
  input: z.output<typeof taskInputSchema>,
  taskId: string,
  defaultStrategy: RoutingStrategy = 'least_loaded',
): DistributedTask {
  return {
    ...input,
    task_id: taskId,
    routing_strategy: input.routing_strategy ?? defaultStrategy,
    queue_timeout: input.queue_timeout ?? input.timeout,
  }
}
