import * as z from 'zod'
import { Aggregation, TaskStatus, TERMINAL_STATUSES } from './enums.ts'
import { idSchema } from './ids.ts'
import { jsonObjectSchema } from './json-object.ts'

export const resultSchema = z.looseObject({
  task_id: idSchema,
  pool_name: z.string().nullable().describe('The pool that ran it; null where none did.'),
  status: z.enum(TERMINAL_STATUSES),
  output: jsonObjectSchema.nullable(),
  error: z.string().nullable(),
  duration: z.number().min(0).describe('Seconds that the run took; 0 where no pool ran it.'),
  metadata: jsonObjectSchema.describe(
    '`attempts`, `queued_ms` and, where it did not complete, `reason`: a code of the list of errors.',
  ),
})
/** How a task ended. `metadata` has at least `attempts` and `queued_ms`; `reason` is an ErrorCode where it did not complete. */
export type DistributedTaskResult = z.output<typeof resultSchema>

/** What a pool answers: it may leave out what the executor knows anyway. */
export const poolAnswerSchema = z.looseObject({
  task_id: idSchema.optional(),
  status: z.enum(TERMINAL_STATUSES),
  output: jsonObjectSchema.nullish(),
  error: z.string().nullish(),
  duration: z.number().min(0).nullish(),
  metadata: jsonObjectSchema.nullish(),
})
export type PoolAnswer = z.output<typeof poolAnswerSchema>

export const statusReplySchema = z.looseObject({
  task_id: idSchema,
  status: z.enum(Object.values(TaskStatus)),
  pool_name: z.string().nullable(),
  attempt: z.int().min(0),
  submitted_at: z.string().nullable(),
  started_at: z.string().nullable(),
  finished_at: z.string().nullable(),
})
export type TaskStatusReply = z.output<typeof statusReplySchema>

/** The `output` of a task with `fan_out`. */
export const fanOutOutputSchema = z.looseObject({
  aggregation: z.enum(Object.values(Aggregation)),
  decided_by: z.array(z.string()).describe('The pools whose outcomes made the decision.'),
  branches: z.array(resultSchema),
})
export type FanOutOutput = z.output<typeof fanOutOutputSchema>
