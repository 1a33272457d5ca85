// The time line of a task, from what its status and its result tell.
import { type DistributedTaskResult, isJsonObject, type TaskStatusReply } from '@poolmesh/types'
import * as z from 'zod'

const attemptSchema = z.object({
  pool: z.string().nullable(),
  outcome: z
    .string()
    .describe('`running`, how the task ended, or what went wrong: a code of the list of errors.'),
  error: z.string().nullable(),
  started_at: z
    .string()
    .nullable()
    .describe(
      'Null where the run was not begun, and of a run that goes on after others. Of the last run after others: reckoned back from its end.',
    ),
  finished_at: z.string().nullable().describe('When its end was noticed.'),
})
export const attemptsSchema = z.object({
  task_id: z.string(),
  status: z.string(),
  submitted_at: z.string().nullable(),
  started_at: z.string().nullable().describe('Of the first run.'),
  finished_at: z.string().nullable(),
  queued_ms: z.number().nullable(),
  run_ms: z.number().nullable().describe('Of the last run.'),
  total_ms: z.number().nullable(),
  attempts: z.array(attemptSchema).describe('Oldest first; of many the last 20.'),
})

type State = TaskStatusReply & { result: DistributedTaskResult | null }

export function attemptsOf(state: State): z.output<typeof attemptsSchema> {
  const { result, submitted_at, started_at, finished_at } = state
  const metadata = result && isJsonObject(result.metadata) ? result.metadata : {}
  const history = Array.isArray(metadata['history']) ? metadata['history'].filter(isJsonObject) : []
  const earlier = history.map((entry) => ({
    pool: text(entry['pool']),
    outcome: text(entry['reason']) ?? 'UNKNOWN',
    error: text(entry['error']),
    started_at: text(entry['started_at']),
    finished_at: text(entry['at']),
  }))
  const began = submitted_at === null ? null : Date.parse(submitted_at)
  const ended = finished_at === null ? null : Date.parse(finished_at)
  return {
    task_id: state.task_id,
    status: state.status,
    submitted_at,
    started_at,
    finished_at,
    queued_ms: typeof metadata['queued_ms'] === 'number' ? metadata['queued_ms'] : sinceOf(began, started_at),
    run_ms: result && result.pool_name !== null ? Math.round(result.duration * 1_000) : null,
    total_ms: began === null || ended === null ? null : Math.max(0, ended - began),
    // With POISON it is the loss of the last run that ended it, and that is in the history.
    attempts: metadata['reason'] === 'POISON' ? earlier : [...earlier, ...lastOf(state, earlier.length)],
  }
}

/** The run that goes on, or that the task ended with; none where it ended without a pool. */
function lastOf(state: State, earlier: number) {
  const pool = state.result?.pool_name ?? state.pool_name
  if (pool === null) return []
  return [
    {
      pool,
      outcome: state.result?.status ?? state.status,
      error: state.result?.error ?? null,
      started_at: earlier === 0 ? state.started_at : beganAt(state),
      finished_at: state.finished_at,
    },
  ]
}

/** Of a task's times, its `started_at` is that of its first run alone. */
function beganAt({ result, finished_at }: Pick<State, 'result' | 'finished_at'>): string | null {
  if (result === null || finished_at === null) return null
  const began = new Date(Date.parse(finished_at) - Math.round(result.duration * 1_000))
  // A pool may answer any duration.
  return Number.isNaN(began.valueOf()) ? null : began.toISOString()
}

const text = (value: unknown): string | null => (typeof value === 'string' ? value : null)

const sinceOf = (began: number | null, time: string | null): number | null =>
  began === null || time === null ? null : Math.max(0, Date.parse(time) - began)
