import {
  deadLetterSchema,
  deadPurgeReplySchema,
  deadRetryReplySchema,
  deadSummarySchema,
  PoolmeshError,
} from '@poolmesh/types'
import * as z from 'zod'
import type { Gateway } from '../context.ts'
import { type Route, route } from '../http/route.ts'
import { pageOf, pageQuery, taskParams } from './shapes.ts'

export function deadRoutes({ executor: { deadLetters } }: Gateway): Route[] {
  const tag = 'dead letters'
  return [
    route({
      method: 'GET',
      path: '/api/v1/dead',
      id: 'listDead',
      tag,
      summary: 'Tasks that are not tried again, oldest first.',
      query: pageQuery,
      answers: { 200: { description: 'One page.', schema: pageOf(deadSummarySchema) } },
      handle: async ({ query: { limit, cursor } }) => {
        const { dead, cursor: next } = await deadLetters.list({ limit, cursor })
        return { items: dead, next }
      },
    }),
    route({
      method: 'GET',
      path: '/api/v1/dead/{id}',
      id: 'getDead',
      tag,
      summary: 'The task, its result, and what went wrong with each try.',
      params: taskParams,
      answers: { 200: { description: 'The letter.', schema: deadLetterSchema } },
      handle: ({ params: { id } }) => deadLetters.get(id),
    }),
    route({
      method: 'POST',
      path: '/api/v1/dead/{id}/retry',
      id: 'retryDead',
      tag,
      summary: 'Submits the task again, as a new one, and takes the letter out.',
      params: taskParams,
      answers: { 202: { description: 'The new task.', schema: deadRetryReplySchema } },
      handle: async ({ params: { id }, reply }) => {
        const retried = await deadLetters.retry(id)
        reply.header('location', `/api/v1/tasks/${retried.task_id}`)
        return retried
      },
    }),
    route({
      method: 'DELETE',
      path: '/api/v1/dead/{id}',
      id: 'purgeDead',
      tag,
      summary: 'Takes a letter out for good.',
      params: taskParams,
      answers: { 200: { description: 'It is gone.', schema: deadPurgeReplySchema } },
      handle: async ({ params: { id } }) => {
        const purged = await deadLetters.purge(id)
        if (purged.purged === 0) throw new PoolmeshError('NOT_FOUND', `there is no dead letter ${id}`)
        return purged
      },
    }),
    route({
      method: 'POST',
      path: '/api/v1/dead:purge',
      id: 'purgeAllDead',
      tag,
      summary: 'Takes all letters out for good.',
      body: z.object({ all: z.literal(true, 'must be true: this cannot be undone') }),
      answers: { 200: { description: 'How many there were.', schema: deadPurgeReplySchema } },
      handle: () => deadLetters.purgeAll(),
    }),
  ]
}
