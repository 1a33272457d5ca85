// The requests that executors answer, as a NATS micro service.
import type { NatsConnection } from '@nats-io/transport-node'
import { endpoint, type Logger, serve } from '@poolmesh/bus'
import {
  cancelRequestSchema,
  deadListRequestSchema,
  deadPurgeRequestSchema,
  SUBJECTS,
  taskIdRequestSchema,
} from '@poolmesh/types'
import * as z from 'zod'
import type { DeadQuestions } from './dead-questions.ts'
import type { Questions } from './questions.ts'
import type { ExecutorStats } from './stats.ts'

const explainRequest = z.looseObject({}).superRefine((request, context) => {
  if ('task_type' in request || 'payload' in request) return
  const id = taskIdRequestSchema.safeParse(request)
  if (!id.success)
    context.addIssue({
      code: 'custom',
      path: ['task_id'],
      message: 'name a task by its id, or send a whole task',
    })
})

export interface Answerers {
  questions: Questions
  deadQuestions: DeadQuestions
  stats: ExecutorStats
  log: Logger
}

export const serveQuestions = (
  nc: NatsConnection,
  { questions, deadQuestions, stats, log }: Answerers,
): Promise<AsyncDisposable> =>
  serve(nc, {
    name: 'poolmesh-executor',
    description: 'Routes tasks to pools, runs them and stores their results',
    log,
    endpoints: [
      endpoint({
        subject: SUBJECTS.taskStatus,
        request: taskIdRequestSchema,
        handle: (request) => questions.status(request.task_id),
      }),
      endpoint({
        subject: SUBJECTS.taskResult,
        request: taskIdRequestSchema,
        handle: (request) => questions.result(request.task_id),
      }),
      endpoint({
        subject: SUBJECTS.taskCancel,
        request: cancelRequestSchema,
        handle: (request) => questions.cancel(request.task_id, request.reason),
      }),
      endpoint({
        subject: SUBJECTS.taskExplain,
        request: explainRequest,
        handle: (request) => questions.explain(request),
      }),
      endpoint({
        subject: SUBJECTS.executorStats,
        request: z.looseObject({}),
        handle: () => stats.overAll(),
      }),
      endpoint({
        subject: SUBJECTS.deadList,
        request: deadListRequestSchema,
        handle: ({ limit, cursor }) => deadQuestions.list(limit, cursor),
      }),
      endpoint({
        subject: SUBJECTS.deadGet,
        request: taskIdRequestSchema,
        handle: ({ task_id }) => deadQuestions.get(task_id),
      }),
      endpoint({
        subject: SUBJECTS.deadRetry,
        request: taskIdRequestSchema,
        handle: ({ task_id }) => deadQuestions.retry(task_id),
      }),
      endpoint({
        subject: SUBJECTS.deadPurge,
        request: deadPurgeRequestSchema,
        handle: ({ task_id }) => deadQuestions.purge(task_id),
      }),
    ],
  })
