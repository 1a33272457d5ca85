// Dead letters: tasks that ended `failed` with reason POISON, kept with what is known of them.
import * as z from 'zod'
import { idSchema } from './ids.ts'
import { pageLimit } from './paging.ts'
import { resultSchema } from './result.ts'
import { taskSchema } from './task.ts'

export const deadLetterSchema = z.looseObject({
  task: taskSchema.describe('As it was run; `payload_ref` where the payload is too large for a message.'),
  result: resultSchema,
  history: z
    .array(
      z.looseObject({
        pool: z.string(),
        reason: z.string(),
        error: z.string().optional(),
        started_at: z.string().optional().describe('Left out where the run was not begun.'),
        at: z.string().optional().describe('When it was noticed.'),
      }),
    )
    .describe('What went wrong with each try, oldest first; the last 20.'),
  at: z.string().describe('When it became a dead letter.'),
})
/** A dead letter as it is stored under `task.dead.<task_id>`, and as `dead.get` answers it. */
export type DeadLetter = z.output<typeof deadLetterSchema>

export const deadListRequestSchema = z.looseObject({
  limit: pageLimit,
  cursor: z
    .string()
    .regex(/^\d{1,15}$/, 'is none that dead.list gave')
    .nullish(),
})
export type DeadListRequest = z.input<typeof deadListRequestSchema>
export const deadSummarySchema = z.looseObject({
  task_id: idSchema,
  task_type: z.string(),
  reason: z.string().describe('A code of the list of errors.'),
  error: z.string().nullable(),
  at: z.string(),
  attempts: z.int().min(0).optional().describe('Tries that counted as such: a lost pool is none.'),
})
export type DeadSummary = z.output<typeof deadSummarySchema>
export const deadListReplySchema = z.looseObject({
  dead: z.array(deadSummarySchema).describe('Oldest first.'),
  cursor: z.string().nullable().describe('For the next page; null on the last.'),
})
export type DeadListReply = z.output<typeof deadListReplySchema>

export const deadRetryReplySchema = z.looseObject({
  task_id: idSchema.describe('Of the new task.'),
  retry_of: idSchema,
})
export type DeadRetryReply = z.output<typeof deadRetryReplySchema>

export const deadPurgeRequestSchema = z
  .looseObject({
    task_id: idSchema.optional(),
    all: z.literal(true, 'may only be true').optional(),
  })
  .refine((request) => (request.task_id === undefined) !== (request.all === undefined), {
    error: 'name one by task_id, or say all: true',
  })
export const deadPurgeReplySchema = z.looseObject({ purged: z.int().min(0) })
export type DeadPurgeReply = z.output<typeof deadPurgeReplySchema>
