// Many tasks in one request: as one JSON document, or line by line for as long as there are any.
import type { TraceContext } from '@poolmesh/bus'
import { issuesOf, PoolmeshError, parseJson, taskInputSchema } from '@poolmesh/types'
import * as z from 'zod'
import type { Gateway } from '../context.ts'
import { NDJSON } from '../http/media-types.ts'
import type { Room } from '../http/room.ts'
import { type Route, route } from '../http/route.ts'
import { traceOf } from '../http/trace-of.ts'
import { submitLines } from './ndjson.ts'
import type { Submitting } from './submitting.ts'
import { TASK_BYTES, TRACE_HEADER } from './tasks.ts'

/** Tasks in one batch request; more go as lines. */
const MAX_TASKS = 5_000
/** Of the span of a request. Tasks have spans of their own. */
const [TAKEN, REFUSED] = ['poolmesh.tasks.taken', 'poolmesh.tasks.refused'] as const

const errorSchema = z.object({
  code: z.string(),
  message: z.string(),
  issues: z.array(z.object({ path: z.string(), message: z.string() })),
})
const itemSchema = z.union([z.object({ task_id: z.string() }), z.object({ error: errorSchema })])

export function batchRoutes(
  { traces, log, limits }: Pick<Gateway, 'traces' | 'log' | 'limits'>,
  submitting: Submitting,
  room: Room,
): Route[] {
  return [
    route({
      method: 'POST',
      path: '/api/v1/tasks:batch',
      id: 'submitBatch',
      tag: 'tasks',
      summary: `Submits up to ${MAX_TASKS} tasks; each is taken or refused by itself.`,
      headers: TRACE_HEADER,
      body: z.object({ tasks: z.array(taskInputSchema).min(1).max(MAX_TASKS) }),
      checksBody: false,
      bodyLimit: TASK_BYTES,
      answers: {
        200: {
          description: 'In the order of the tasks: the id of each, or why it was refused.',
          schema: z.object({ items: z.array(itemSchema) }),
        },
      },
      handle: async ({ body, request }) => {
        const trace = traceOf(request, traces)
        const items = await Promise.all(tasksOf(body).map((task) => submitOne(submitting, task, trace)))
        const taken = items.filter((item) => 'task_id' in item).length
        traces?.tell(request, { [TAKEN]: taken, [REFUSED]: items.length - taken })
        return { items }
      },
    }),
    route({
      method: 'POST',
      path: '/api/v1/tasks:ndjson',
      id: 'submitLines',
      tag: 'tasks',
      summary:
        'Submits a task a line, as many as there are, at the pace of the system. The answer begins at once, and has a line for each, as they are stored.',
      headers: TRACE_HEADER,
      body: taskInputSchema,
      bodyType: NDJSON,
      checksBody: false,
      answers: {
        200: {
          description: 'Lines of `{line, task_id}` or `{line, error}`; `line` counts from 1.',
          type: NDJSON,
          schema: z.looseObject({
            line: z.int(),
            task_id: z.string().optional(),
            error: errorSchema.optional(),
          }),
        },
      },
      handle: async ({ request, reply }) => {
        const trace = traceOf(request, traces)
        let [taken, refused] = [0, 0]
        const submit = async (text: string): Promise<Item> => {
          const item = await submitLine(submitting, text, trace)
          if ('task_id' in item) taken++
          else refused++
          return item
        }
        // However it ends, and before the span does.
        if (traces)
          reply.raw.prependOnceListener('close', () =>
            traces.tell(request, { [TAKEN]: taken, [REFUSED]: refused }),
          )
        return await submitLines({
          request: request.raw,
          reply,
          log,
          room,
          idleMs: limits.linesIdleMs,
          submit,
        })
      },
    }),
  ]
}

type Item = { task_id: string } | { error: { code: string; message: string; issues: unknown[] } }

function tasksOf(body: unknown): unknown[] {
  const parsed = z.object({ tasks: z.array(z.unknown()).min(1).max(MAX_TASKS) }).safeParse(body)
  if (parsed.success) return parsed.data.tasks
  const message = issuesOf(parsed.error)[0]?.message ?? 'is missing'
  throw new PoolmeshError('INVALID_INPUT', `the body is not valid at tasks: ${message}`, [
    { path: 'tasks', message },
  ])
}

async function store(submitting: Submitting, task: unknown, trace: TraceContext | undefined): Promise<Item> {
  const submitted = await submitting.submit(task, undefined, trace)
  submitted.letGo()
  return { task_id: submitted.taskId }
}

async function submitOne(submitting: Submitting, task: unknown, trace?: TraceContext): Promise<Item> {
  try {
    return await store(submitting, task, trace)
  } catch (error) {
    if (error instanceof PoolmeshError) return error.toRefusal()
    throw error
  }
}

/** @throws PoolmeshError OVERLOADED, which a line waits for instead of being refused */
async function submitLine(submitting: Submitting, text: string, trace?: TraceContext): Promise<Item> {
  try {
    const task = parseJson(text, 'the line')
    return await store(submitting, task, trace)
  } catch (error) {
    if (error instanceof PoolmeshError && error.code !== 'OVERLOADED') return error.toRefusal()
    throw error
  }
}
