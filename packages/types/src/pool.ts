import * as z from 'zod'
import { HealthStatus, PoolType } from './enums.ts'
import { idSchema } from './ids.ts'
import { jsonObjectSchema } from './json-object.ts'

export const MAX_CAPABILITIES = 64
export const DEFAULT_MAX_WORKERS = 10

const count = z.int().min(0)

/** Pool types as they may be written: `session-buddy` is read as `session_buddy`. */
export const poolTypeSchema = z
  .enum([...Object.values(PoolType), 'session-buddy'])
  .transform((type) => (type === 'session-buddy' ? PoolType.SESSION_BUDDY : type))
  .pipe(z.enum(Object.values(PoolType)))

/** A scheme and a host, of whatever kind of pool: `localhost:8000` is a URL to some, but with `localhost` as its scheme. */
const isEndpoint = (value: string): boolean =>
  /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#]/i.test(value) && URL.canParse(value)

export const endpointSchema = z
  .string()
  .refine(isEndpoint, 'must be a URL such as http://host:8000')
  .meta({ format: 'uri' })

/** What a pool says of itself. Unknown fields are kept. An `endpoint` may be left out by pools on the bus only. */
export const poolDescriptorSchema = z
  .looseObject({
    name: idSchema,
    pool_type: poolTypeSchema,
    endpoint: endpointSchema.nullish().describe('Where the pool is; a `nats` pool needs none.'),
    capabilities: z
      .array(z.string())
      .max(MAX_CAPABILITIES)
      .default([])
      .describe('What tasks can require of it.'),
    max_workers: z.int().min(1).default(DEFAULT_MAX_WORKERS).describe('Tasks that it runs at the same time.'),
    current_workers: count.default(0).describe('Tasks that it runs now.'),
    queue_size: count.default(0).describe('Tasks that wait inside the pool.'),
    health_status: z.enum(Object.values(HealthStatus)).default('healthy'),
    region: z.string().nullable().default(null),
    metadata: jsonObjectSchema.default({}),
  })
  .superRefine((pool, context) => {
    if (pool.endpoint == null && pool.pool_type !== 'nats')
      context.addIssue({
        code: 'custom',
        path: ['endpoint'],
        message: `is required for a pool of type ${pool.pool_type}`,
      })
  })

/** A valid descriptor with its defaults filled in. */
export type PoolDescriptor = z.output<typeof poolDescriptorSchema>
/** What may be sent: only `name` and `pool_type` (and, off the bus, `endpoint`) are needed. */
export type PoolDescriptorInput = z.input<typeof poolDescriptorSchema>

export interface DerivedPoolFields {
  /** current_workers / max_workers, held to 0.0–1.0 */
  load_factor: number
  /** Not unavailable, not draining, and a worker free. */
  is_available: boolean
  /** For people: `30.0% (3/10)` */
  utilization: string
}

/** A descriptor as every reply has it. */
export type PoolView = PoolDescriptor & DerivedPoolFields

type Load = Pick<PoolDescriptor, 'current_workers' | 'max_workers'>

export const loadFactor = (pool: Load): number => Math.min(1, pool.current_workers / pool.max_workers)

/** Utilization as the guide prints it: the percentage is not held to 100, so that an overload is seen. */
export const utilization = (pool: Load): string =>
  `${((pool.current_workers / pool.max_workers) * 100).toFixed(1)}% (${pool.current_workers}/${pool.max_workers})`

export const isAvailable = (
  pool: Load & Pick<PoolDescriptor, 'health_status'> & { draining?: unknown },
): boolean =>
  pool.health_status !== 'unavailable' && pool.draining !== true && pool.current_workers < pool.max_workers

export const withDerived = (pool: PoolDescriptor): PoolView => ({
  ...pool,
  load_factor: loadFactor(pool),
  is_available: isAvailable(pool),
  utilization: utilization(pool),
})

export const heartbeatSchema = z.looseObject({ current_workers: count, queue_size: count.default(0) })
/** How far a run is, as `pool.progress.<name>` tells it. */
export const progressSchema = z.looseObject({
  task_id: z.string(),
  attempt: z.int().min(1),
  fraction: z.number().min(0).max(1).nullable().describe('Null where only the message is known.'),
  message: z.string().nullable(),
})
export type Heartbeat = z.output<typeof heartbeatSchema>
