// The schemas that are public, by the name under which other languages find them, and how they become JSON Schema.
import * as z from 'zod'
import {
  cancelReplySchema,
  cancelRequestSchema,
  deadLetterSchema,
  deadListReplySchema,
  deadListRequestSchema,
  deadPurgeReplySchema,
  deadPurgeRequestSchema,
  deadRetryReplySchema,
  deregisterReplySchema,
  deregisterRequestSchema,
  derivedPoolSchema,
  discoverReplySchema,
  discoverRequestSchema,
  executorStatsReplySchema,
  explainReplySchema,
  fanOutOutputSchema,
  fanOutSchema,
  healthCheckReplySchema,
  healthCheckRequestSchema,
  healthHistoryReplySchema,
  healthHistoryRequestSchema,
  healthStatsReplySchema,
  heartbeatSchema,
  MAX_BATCH_TASKS,
  memorySearchReplySchema,
  memorySearchRequestSchema,
  poolAnswerSchema,
  poolDescriptorSchema,
  poolEventSchema,
  poolHealthAnswerSchema,
  poolHealthSchema,
  poolListReplySchema,
  poolListRequestSchema,
  poolNameRequestSchema,
  poolStatsReplySchema,
  progressSchema,
  rejectionSchema,
  resultSchema,
  scalablePoolSchema,
  scalableReplySchema,
  scaleRequestSchema,
  statusReplySchema,
  taskIdRequestSchema,
  taskInputSchema,
  taskSchema,
} from '../src/index.ts'

export type JsonSchema = { [key: string]: unknown }

interface PublicSchema {
  schema: z.ZodType
  /** `sent`: what others may write, defaults left out. `received`: what poolmesh writes, complete. */
  form: 'sent' | 'received'
  description: string
  /** What JSON Schema can say and the zod schema says in code. */
  extra?: JsonSchema
}

const sent = (schema: z.ZodType, description: string, extra?: JsonSchema): PublicSchema => ({
  schema,
  form: 'sent',
  description,
  extra,
})
const received = (schema: z.ZodType, description: string): PublicSchema => ({
  schema,
  form: 'received',
  description,
})

const refusalSchema = z.looseObject({
  error: z.looseObject({
    code: z.string().describe('One of the list of errors; more may be added.'),
    message: z.string(),
    issues: z.array(
      z.looseObject({
        path: z.string().describe('Dotted, such as `fan_out.pools.0`; empty for the whole.'),
        message: z.string(),
      }),
    ),
    retry_after_ms: z.int().optional().describe('Of OVERLOADED: after so long another try may succeed.'),
  }),
})
const publishAckSchema = z.looseObject({
  stream: z.string(),
  seq: z.int(),
  duplicate: z.boolean().optional(),
})

const NEEDS_ENDPOINT = {
  if: { properties: { pool_type: { const: 'nats' } } },
  else: { required: ['endpoint'], properties: { endpoint: { type: 'string' } } },
}

export const PUBLIC_SCHEMAS = {
  DistributedTaskInput: sent(
    taskInputSchema,
    'A task as anyone may submit it: what has a default may be left out.',
  ),
  DistributedTask: received(
    taskSchema,
    'A task as it is stored and as a pool gets it: with every default filled in.',
  ),
  TaskBatch: sent(
    z.array(taskInputSchema).min(1).max(MAX_BATCH_TASKS),
    'Tasks submitted together, at most 256 KiB. The ids are the batch’s id with -0, -1, … in their order.',
  ),
  FanOut: sent(fanOutSchema, 'On which pools a task runs, and what decides its one result.'),
  FanOutOutput: received(
    fanOutOutputSchema,
    'The output of a task with fan_out: every branch’s own outcome.',
  ),
  FanOutResult: received(
    z.looseObject({ ...resultSchema.shape, output: fanOutOutputSchema.nullable() }),
    'The DistributedTaskResult of a task with fan_out.',
  ),
  DistributedTaskResult: received(resultSchema, 'How a task ended. Exactly one for each task.'),
  ResultBatch: received(z.array(resultSchema).min(1), 'Results of tasks that were submitted as a batch.'),
  PoolAnswer: sent(
    poolAnswerSchema,
    'A DistributedTaskResult as a pool answers it; what the executor knows anyway may be left out.',
  ),
  TaskStatusReply: received(statusReplySchema, 'Where a task is.'),
  TaskIdRequest: sent(taskIdRequestSchema, 'Names a task.'),
  CancelRequest: sent(cancelRequestSchema, 'Names a task to stop.'),
  CancelReply: received(cancelReplySchema, 'Whether the task was cancelled; if it had ended, how.'),
  ExplainReply: received(explainReplySchema, 'Which pools could take the task, why, and why it still waits.'),
  PoolDescriptorInput: sent(poolDescriptorSchema, 'What a pool says of itself.', NEEDS_ENDPOINT),
  PoolDescriptor: received(
    derivedPoolSchema,
    'A pool as every reply has it: complete, with the derived fields.',
  ),
  DeregisterRequest: sent(deregisterRequestSchema, 'Names a pool that goes. drain: it finishes what it has.'),
  DeregisterReply: received(deregisterReplySchema, 'Whether the pool is gone or finishes what it has.'),
  Heartbeat: sent(heartbeatSchema, 'The load of a pool, by itself.'),
  Progress: sent(progressSchema, 'How far a run is.'),
  PoolHealthAnswer: sent(poolHealthAnswerSchema, 'The health of a pool, by itself.'),
  PoolNameRequest: sent(poolNameRequestSchema, 'Names a pool.'),
  PoolListRequest: sent(poolListRequestSchema, 'Filters, and where to go on.'),
  PoolListReply: received(poolListReplySchema, 'One page of pools; cursor is null on the last.'),
  PoolStatsReply: received(poolStatsReplySchema, 'Counts over all pools.'),
  DiscoverRequest: sent(
    discoverRequestSchema,
    'Endpoints to ask for pools; if left out, those of the settings.',
  ),
  DiscoverReply: received(discoverReplySchema, 'Names of the pools found, and the endpoints that failed.'),
  ScalablePool: received(scalablePoolSchema, 'A pool whose number of workers can be changed.'),
  ScalableReply: received(scalableReplySchema, 'The pools that one scaler can change.'),
  ScaleRequest: sent(scaleRequestSchema, 'How many workers a pool is to have, within its limits.'),
  HealthCheckRequest: sent(healthCheckRequestSchema, 'Names a pool; if left out, all.'),
  HealthCheckReply: received(healthCheckReplySchema, 'The check of each pool, by its name.'),
  PoolHealth: received(poolHealthSchema, 'One check of one pool.'),
  HealthHistoryRequest: sent(healthHistoryRequestSchema, 'Names a pool.'),
  HealthHistoryReply: received(healthHistoryReplySchema, 'The last checks of a pool, oldest first.'),
  HealthStatsReply: received(healthStatsReplySchema, 'Counts of the health monitor.'),
  ExecutorStatsReply: received(executorStatsReplySchema, 'Counts over all executors.'),
  DeadLetter: received(deadLetterSchema, 'A task that is not tried again, with what is known of it.'),
  DeadListRequest: sent(deadListRequestSchema, 'Where to go on.'),
  DeadListReply: received(deadListReplySchema, 'One page of dead letters, oldest first.'),
  DeadRetryReply: received(deadRetryReplySchema, 'The new task.'),
  DeadPurgeRequest: sent(deadPurgeRequestSchema, 'Names one by its task_id, or says all: true.', {
    oneOf: [{ required: ['task_id'] }, { required: ['all'] }],
  }),
  DeadPurgeReply: received(deadPurgeReplySchema, 'How many there were.'),
  MemorySearchRequest: sent(memorySearchRequestSchema, 'What to look for among results.'),
  MemorySearchReply: received(memorySearchReplySchema, 'What was found, each with where it was found.'),
  PoolEvent: received(poolEventSchema, 'A change of a pool.'),
  Rejection: received(rejectionSchema, 'What was published as a task and is none.'),
  Refusal: received(refusalSchema, 'Why a request was refused.'),
  PublishAck: received(publishAckSchema, 'JetStream’s acknowledgement: stored.'),
} satisfies Record<string, PublicSchema>

export type SchemaName = keyof typeof PUBLIC_SCHEMAS
export const SCHEMA_NAMES = Object.keys(PUBLIC_SCHEMAS) as SchemaName[]

/** Every public schema in JSON Schema draft 7, which AsyncAPI understands by itself; `refer` makes what `$ref` says. */
export function jsonSchemas(refer: (name: string) => string): Record<SchemaName, JsonSchema> {
  const registry = z.registry<{ id: string }>()
  for (const name of SCHEMA_NAMES) registry.add(PUBLIC_SCHEMAS[name].schema, { id: name })
  const in_ = (io: 'input' | 'output') =>
    z.toJSONSchema(registry, { io, target: 'draft-7', uri: refer, unrepresentable: 'any' }).schemas
  const forms = { sent: in_('input'), received: in_('output') }
  const made = SCHEMA_NAMES.map((name) => {
    const { form, description, extra }: PublicSchema = PUBLIC_SCHEMAS[name]
    const { $schema, $id, ...body } = forms[form][name] as JsonSchema
    return [name, { title: name, description, ...body, ...extra }]
  })
  return Object.fromEntries(made)
}
