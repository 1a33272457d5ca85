// Searching what tasks came to: our own index, Session-Buddy and Akosha.
import * as z from 'zod'
import { idSchema } from './ids.ts'
import { upTo } from './paging.ts'

export const DEFAULT_HITS = 10
export const MAX_HITS = 100
const MAX_QUERY = 1_000

const sourceSchema = z.enum(['recent', 'session_buddy', 'akosha'])
/** `recent` is poolmesh's own index of the results that are still stored. */
export type MemorySource = z.output<typeof sourceSchema>

export const memorySearchRequestSchema = z.looseObject({
  query: z.string().min(1).max(MAX_QUERY).describe('Words; each may be a beginning, or have a letter wrong.'),
  limit: upTo(MAX_HITS).default(DEFAULT_HITS),
})
export const memoryHitSchema = z.looseObject({
  task_id: idSchema.nullable().describe('Null where the source does not say which task it is about.'),
  text: z.string(),
  score: z.number().nullable().describe('Compares hits of one source only; null where it gives none.'),
  source: sourceSchema,
  also_in: z.array(sourceSchema).describe('Other sources that have the same task.'),
})
export type MemoryHit = z.output<typeof memoryHitSchema>
export const memorySearchReplySchema = z.looseObject({
  hits: z.array(memoryHitSchema).max(MAX_HITS).describe('Those of `recent` first, then the others.'),
  failed: z.array(z.looseObject({ source: sourceSchema, reason: z.string() })),
})
/** What `memory.search` answers. A source that gave no answer in time is in `failed`; the others count. */
export type MemorySearchReply = z.output<typeof memorySearchReplySchema>
