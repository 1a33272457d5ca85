// What the tools answer. Most of it is what the services answer: more fields may come with a later version.
import {
  derivedPoolSchema,
  explainReplySchema,
  memorySearchReplySchema,
  poolHealthSchema,
  resultSchema,
  statusReplySchema,
} from '@poolmesh/types'
import * as z from 'zod'

export const group = z.looseObject({
  pool_id: z.string(),
  pool_type: z.string(),
  min_workers: z.int(),
  max_workers: z.int(),
  workers: z.int().describe('Processes; of a Kubernetes pool, Jobs that run at the same time at most'),
  processes: z.array(
    z.looseObject({
      pool: z.string().describe('The name under which it registers'),
      pid: z.int().nullable().describe('Null while it is started again'),
      restarts: z.int(),
      state: z.enum(['running', 'restarting', 'draining']),
    }),
  ),
})

// Objects of any content, as JSON Schema can say it.
const anything = z.looseObject({})
export const result = z.looseObject({
  ...resultSchema.shape,
  output: anything.nullable(),
  metadata: anything,
})
const pools = z.array(z.looseObject({ ...derivedPoolSchema.shape, metadata: anything }))
const spawned = z.array(group).describe('Those that pool_spawn made')

export const list = z.looseObject({ pools, cursor: z.string().nullable(), spawned })
export const monitor = z.looseObject({ pools, spawned })
export const closed = z.looseObject({
  pool_id: z.string(),
  closed: z.boolean(),
  draining: z.boolean().describe('It is gone when its last task has ended'),
  processes_ended: z.int(),
})
export const health = z.looseObject({ pools: z.record(z.string(), poolHealthSchema) })
export const memory = memorySearchReplySchema
export const explained = explainReplySchema
export const status = z.looseObject({
  ...statusReplySchema.shape,
  result: result.nullable().describe('Null until it has ended'),
})
export const cancelled = z.looseObject({
  task_id: z.string(),
  cancelled: z.boolean().describe('False: it had ended already'),
})
