import {
  type DistributedTaskResult,
  fanOutSchema,
  isJsonObject,
  isTerminal,
  PoolmeshError,
  TaskStatus,
  taskInputSchema,
} from '@poolmesh/types'
import * as z from 'zod'
import type { Gateway } from '../context.ts'
import { type Route, route } from '../http/route.ts'
import { taskParams } from './shapes.ts'
import type { Submitting } from './submitting.ts'
import { SUBMIT_ANSWERS, SUBMIT_HEADERS, stateWithResult, submitAndAnswer, TASK_BYTES } from './tasks.ts'

const PLACE = '/api/v1/fanouts'
const taskShape = taskInputSchema.shape

const broadcastSchema = z.looseObject({
  aggregation: fanOutSchema.shape.aggregation.default('all_success'),
  quorum: fanOutSchema.shape.quorum,
  max_parallel: fanOutSchema.shape.max_parallel,
})

const branchSchema = z.looseObject({
  task_id: z.string(),
  pool: z.string().nullable(),
  status: z.enum(Object.values(TaskStatus)),
  duration: z.number().nullable().describe('Seconds.'),
  error: z.string().nullable(),
  decided: z.boolean().describe('Its outcome made the decision.'),
})
const treeSchema = z.object({
  task_id: z.string(),
  status: z.enum(Object.values(TaskStatus)),
  aggregation: z.string().nullable().describe('Null until it has ended.'),
  decided_by: z.array(z.string()).describe('Pools.'),
  counts: z.record(z.string(), z.int()).describe('All branches by status.'),
  branches: z.array(branchSchema).describe('While it runs, the first 1,000.'),
  submitted_at: z.string().nullable(),
  started_at: z.string().nullable(),
  finished_at: z.string().nullable(),
  error: z.string().nullable(),
})

export function fanOutRoutes(gateway: Gateway, submitting: Submitting): Route[] {
  const common = {
    tag: 'fan-outs',
    headers: SUBMIT_HEADERS,
    checksBody: false,
    bodyLimit: TASK_BYTES,
  } as const
  return [
    route({
      ...common,
      method: 'POST',
      path: PLACE,
      id: 'submitFanOut',
      summary: 'Runs one task on several pools, and makes one result of theirs.',
      body: z.looseObject({ ...taskShape, fan_out: fanOutSchema }),
      answers: SUBMIT_ANSWERS,
      handle: ({ body, request, reply }) => {
        if (isJsonObject(body) && body['fan_out'] == null)
          throw new PoolmeshError('INVALID_INPUT', 'the task is not valid at fan_out: is missing', [
            { path: 'fan_out', message: 'is missing' },
          ])
        return submitAndAnswer({ gateway, submitting, request, reply }, body, PLACE)
      },
    }),
    route({
      ...common,
      method: 'POST',
      path: '/api/v1/broadcasts',
      id: 'submitBroadcast',
      summary: 'Runs one task on every active pool that fits; completed when it is on all of them.',
      body: z.looseObject({ ...taskShape, fan_out: broadcastSchema.optional() }),
      answers: SUBMIT_ANSWERS,
      handle: ({ body, request, reply }) =>
        submitAndAnswer({ gateway, submitting, request, reply }, asBroadcast(body), PLACE),
    }),
    route({
      method: 'GET',
      path: '/api/v1/fanouts/{id}',
      id: 'getFanOut',
      tag: 'fan-outs',
      summary: 'A fan-out and its branches.',
      params: taskParams,
      answers: { 200: { description: 'As far as it is.', schema: treeSchema } },
      handle: async ({ params: { id } }) => treeOf(await stateWithResult(gateway, id)),
    }),
  ]
}

function asBroadcast(body: unknown): unknown {
  if (!isJsonObject(body)) return body
  const given = isJsonObject(body['fan_out']) ? body['fan_out'] : {}
  return { ...body, fan_out: { aggregation: 'all_success', ...given, pools: 'all' } }
}

type State = Awaited<ReturnType<typeof stateWithResult>>

/** @throws PoolmeshError NOT_FOUND for a task that is no fan-out */
function treeOf(state: State): z.output<typeof treeSchema> {
  const output = state.result?.output
  const ended = isJsonObject(output) && Array.isArray(output['branches']) ? output : null
  const listed = 'branches' in state && Array.isArray(state['branches']) ? state['branches'] : null
  if (!ended && !listed && !mayBeFanOut(state))
    throw new PoolmeshError('NOT_FOUND', `the task ${state.task_id} is no fan-out`)
  const counts = listed && 'branch_counts' in state ? (state['branch_counts'] as Counts) : null
  const decidedBy = ended && Array.isArray(ended['decided_by']) ? ended['decided_by'].map(String) : []
  const branches = ended
    ? (ended['branches'] as unknown[]).filter(isJsonObject).map((one) => endedBranch(one as never, decidedBy))
    : (listed ?? []).filter(isJsonObject).map(openBranch)
  return {
    task_id: state.task_id,
    status: state.status,
    aggregation: ended ? String(ended['aggregation']) : null,
    decided_by: decidedBy,
    counts: counts ?? countBy(branches),
    branches,
    submitted_at: state.submitted_at,
    started_at: state.started_at,
    finished_at: state.finished_at,
    error: state.result?.error ?? null,
  }
}

/** One that ended before it had a branch looks like any task that no pool ran. */
const mayBeFanOut = ({ status, pool_name, result }: State): boolean =>
  isTerminal(status) ? result !== null && result.pool_name === null : pool_name === null

const endedBranch = (branch: DistributedTaskResult, decidedBy: readonly string[]) => ({
  task_id: branch.task_id,
  pool: branch.pool_name,
  status: branch.status,
  duration: branch.duration,
  error: branch.error,
  decided: branch.pool_name !== null && decidedBy.includes(branch.pool_name),
})

const openBranch = (branch: Record<string, unknown>) => ({
  task_id: String(branch['task_id']),
  pool: typeof branch['pool'] === 'string' ? branch['pool'] : null,
  status: branch['status'] as TaskStatus,
  duration: null,
  error: null,
  decided: false,
})

type Counts = Record<string, number>

function countBy(branches: readonly { status: string }[]): Counts {
  const counts: Counts = {}
  for (const { status } of branches) counts[status] = (counts[status] ?? 0) + 1
  return counts
}
