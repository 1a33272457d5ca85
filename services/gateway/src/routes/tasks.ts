import { listTasks } from '@poolmesh/client'
import {
  cancelReplySchema,
  type DistributedTaskResult,
  explainReplySchema,
  isTerminal,
  PoolmeshError,
  resultSchema,
  TaskStatus,
  taskInputSchema,
} from '@poolmesh/types'
import type { FastifyReply, FastifyRequest } from 'fastify'
import * as z from 'zod'
import type { Gateway } from '../context.ts'
import { type Route, route } from '../http/route.ts'
import { traceOf } from '../http/trace-of.ts'
import { attemptsOf, attemptsSchema } from './attempts.ts'
import {
  acceptedSchema,
  pageOf,
  pageQuery,
  taskParams,
  taskStateSchema,
  taskSummarySchema,
} from './shapes.ts'
import { type Submitted, type Submitting, waitOf } from './submitting.ts'

/** A task with the largest payload, and room for the rest of it. */
export const TASK_BYTES = 65 * 1024 ** 2

/** Of whatever submits: a task that names a trace of its own keeps it. */
export const TRACE_HEADER = {
  traceparent: 'The trace that the task belongs to (W3C Trace Context).',
  tracestate: 'What goes with it.',
}

/** The headers that submitting one task takes. */
export const SUBMIT_HEADERS = {
  'Idempotency-Key':
    'Becomes the id of the task (as it is where it is an id, else a hash of it): a second request with it gives the same task.',
  Prefer: '`wait=30`: waits up to 30 s for the result, at most 300; 200 with it, else 202.',
  ...TRACE_HEADER,
}

export const SUBMIT_ANSWERS = {
  202: { description: 'Stored: it will end in exactly one result, at `Location`.', schema: acceptedSchema },
  200: { description: 'It has ended, whatever the status.', schema: resultSchema },
}

export function taskRoutes(gateway: Gateway, submitting: Submitting): Route[] {
  const { nc, executor } = gateway
  return [
    route({
      method: 'POST',
      path: '/api/v1/tasks',
      id: 'submitTask',
      tag: 'tasks',
      summary: 'Submits a task.',
      headers: SUBMIT_HEADERS,
      body: taskInputSchema,
      checksBody: false,
      bodyLimit: TASK_BYTES,
      answers: SUBMIT_ANSWERS,
      handle: ({ body, request, reply }) =>
        submitAndAnswer({ gateway, submitting, request, reply }, body, '/api/v1/tasks'),
    }),
    route({
      method: 'GET',
      path: '/api/v1/tasks',
      id: 'listTasks',
      tag: 'tasks',
      summary: 'Tasks, newest first: those that wait or run, then those that have ended.',
      query: pageQuery.extend({
        status: z.enum(Object.values(TaskStatus)).optional(),
        type: z
          .string()
          .max(256)
          .optional()
          .describe('Of tasks that wait or run: a stored result does not tell its type.'),
        pool: z.string().max(64).optional(),
      }),
      answers: {
        200: {
          description: 'One page; may be short although more follows.',
          schema: pageOf(taskSummarySchema),
        },
      },
      handle: async ({ query }) => {
        const { items, cursor } = await listTasks(nc, executor, query)
        return { items, next: cursor }
      },
    }),
    route({
      method: 'GET',
      path: '/api/v1/tasks/{id}',
      id: 'getTask',
      tag: 'tasks',
      summary: 'Where a task is, and its result when it has ended.',
      params: taskParams,
      answers: { 200: { description: 'What is known of it.', schema: taskStateSchema } },
      handle: ({ params: { id } }) => stateWithResult(gateway, id),
    }),
    route({
      method: 'DELETE',
      path: '/api/v1/tasks/{id}',
      id: 'cancelTask',
      tag: 'tasks',
      summary: 'Cancels a task that waits or runs.',
      params: taskParams,
      query: z.object({ reason: z.string().max(1_024).optional() }),
      answers: { 200: { description: 'Cancelled, or how it had ended.', schema: cancelReplySchema } },
      handle: async ({ params: { id }, query: { reason } }) => {
        const cancelled = await executor.cancelTask(id, { reason })
        const status = cancelled ? 'cancelled' : (await executor.getTaskStatus(id)).status
        return { task_id: id, cancelled, status }
      },
    }),
    route({
      method: 'GET',
      path: '/api/v1/tasks/{id}/explain',
      id: 'explainTask',
      tag: 'tasks',
      summary: 'Which pools could take a task, why, and what it waits for.',
      params: taskParams,
      answers: { 200: { description: 'The explanation.', schema: explainReplySchema } },
      handle: ({ params: { id } }) => executor.explainTask(id),
    }),
    route({
      method: 'POST',
      path: '/api/v1/tasks:explain',
      id: 'explainNewTask',
      tag: 'tasks',
      summary: 'Where a task would go if it were submitted now. Nothing is submitted.',
      body: taskInputSchema,
      checksBody: false,
      answers: { 200: { description: 'The explanation.', schema: explainReplySchema } },
      handle: ({ body }) => executor.explainTask(body),
    }),
    route({
      method: 'GET',
      path: '/api/v1/tasks/{id}/attempts',
      id: 'listAttempts',
      tag: 'tasks',
      summary: 'The time line of a task: when it was submitted, ran, on which pools, what went wrong there.',
      params: taskParams,
      answers: { 200: { description: 'The time line.', schema: attemptsSchema } },
      handle: async ({ params: { id } }) => attemptsOf(await stateWithResult(gateway, id)),
    }),
  ]
}

interface Asking {
  gateway: Pick<Gateway, 'traces'>
  submitting: Submitting
  request: FastifyRequest
  reply: FastifyReply
}

/** 202 with where it is, or 200 with the result where the caller waits and it ends in time. */
export async function submitAndAnswer(
  { gateway: { traces }, submitting, request, reply }: Asking,
  task: unknown,
  place: string,
): Promise<unknown> {
  const wait = waitOf(request.headers.prefer)
  const submitted = await submitting.submit(
    task,
    headerOf(request, 'Idempotency-Key'),
    traceOf(request, traces),
  )
  traces?.tell(request, { 'poolmesh.task.id': submitted.taskId })
  const result = wait === null ? null : await waitFor(submitted, wait, request)
  submitted.letGo()
  if (wait !== null && result !== null) reply.header('preference-applied', `wait=${wait}`)
  reply.header('location', `${place}/${submitted.taskId}`)
  if (result !== null) return reply.code(200).send(result)
  reply.code(202)
  return { task_id: submitted.taskId, status: 'pending' }
}

async function waitFor(
  submitted: Submitted,
  seconds: number,
  request: FastifyRequest,
): Promise<DistributedTaskResult | null> {
  const gone = new AbortController()
  const left = (): void => gone.abort()
  request.raw.socket.once('close', left)
  try {
    return await submitted.result(seconds, gone.signal)
  } finally {
    request.raw.socket.off('close', left)
  }
}

/** @throws PoolmeshError INVALID_INPUT for a header that is empty, longer than anybody needs, or there twice */
function headerOf(request: FastifyRequest, name: string): string | undefined {
  const values = request.raw.headersDistinct[name.toLowerCase()]
  if (values === undefined) return undefined
  const [value = ''] = values
  if (values.length === 1 && value.trim() !== '' && value.length <= 512) return value
  const message = values.length > 1 ? 'must be there once' : 'must have 1 to 512 characters'
  throw new PoolmeshError('INVALID_INPUT', `the header ${name} ${message}`, [{ path: name, message }])
}

export async function stateWithResult({ executor }: Gateway, id: string) {
  const status = await executor.getTaskStatus(id)
  const result = isTerminal(status.status) ? await executor.getTaskResult(id) : null
  return { ...status, result }
}
