// Changing the number of workers of a pool while it is there. Whoever can do that for some pools is a scaler: the registry
// for those that are registered with `metadata.scaling`, and each process that started others with `pool_spawn` for those.
import * as z from 'zod'
import { PoolmeshError } from './errors.ts'
import { idSchema } from './ids.ts'
import type { PoolDescriptor } from './pool.ts'

/** The registry, as a scaler. */
export const REGISTRY_SCALER = 'registry'

const workers = z.int().min(1)

/** `metadata.scaling` of a pool: its `max_workers` may be changed within these. */
export const scalingSchema = z
  .looseObject({
    min_workers: workers,
    max_workers: workers,
    spawned: z
      .string()
      .optional()
      .describe('The configured type that pool_spawn made it of: when it has drained its Jobs are removed.'),
  })
  .refine(({ min_workers, max_workers }) => min_workers <= max_workers, {
    path: ['min_workers'],
    message: 'is more than max_workers',
  })
export type Scaling = z.output<typeof scalingSchema>

/** The limits within which the registry may change a pool's `max_workers`; null: none are told, or they make no sense. */
export function scalingOf(pool: Pick<PoolDescriptor, 'metadata'>): Scaling | null {
  const parsed = scalingSchema.safeParse(pool.metadata['scaling'])
  return parsed.success ? parsed.data : null
}

export const scalablePoolSchema = z.looseObject({
  name: idSchema,
  scaler: idSchema.describe('Who changes it: asked at pool.scale.<scaler>.'),
  pool_type: z.string().describe('The configured type that pool_spawn made it of, else the type of pool.'),
  min_workers: z.int(),
  max_workers: z.int(),
  workers: z.int().describe('That there are now, or are being started.'),
  pools: z
    .array(z.string())
    .describe('Under which names it is registered: its own, or one for each process that was started.'),
  place: z.string().describe('What its workers take room of; between pools of one place they can be moved.'),
})
export type ScalablePool = z.output<typeof scalablePoolSchema>
/** What each scaler answers at `pool.scalable`. */
export const scalableReplySchema = z.looseObject({ pools: z.array(scalablePoolSchema) })
export type ScalableReply = z.output<typeof scalableReplySchema>

export const scaleRequestSchema = z.looseObject({
  name: idSchema,
  target_workers: workers,
  expected_workers: workers
    .optional()
    .describe('Refused with CONFLICT where there are not so many now: somebody else has scaled it.'),
})
export type ScaleRequest = z.output<typeof scaleRequestSchema>

/** @throws PoolmeshError CONFLICT where others have scaled the pool since it was looked at */
export function requireExpected(name: string, workers: number, expected: number | undefined): void {
  if (expected !== undefined && expected !== workers)
    throw new PoolmeshError(
      'CONFLICT',
      `the pool ${name} has ${workers} workers by now, not ${expected}: others have scaled it, so look again`,
    )
}

/** @throws PoolmeshError INVALID_INPUT */
export function requireWithin(name: string, { min_workers, max_workers }: Scaling, target: number): void {
  if (target >= min_workers && target <= max_workers) return
  const range = `must be ${min_workers} to ${max_workers}`
  throw new PoolmeshError('INVALID_INPUT', `target_workers ${range} for the pool ${name}`, [
    { path: 'target_workers', message: range },
  ])
}
