// A task in a list, as the client, the gateway and its page have it.
import type { TaskStatus } from './enums.ts'

/** What is known of a task without its payload and its output. Times are RFC 3339. */
export interface TaskSummary {
  task_id: string
  status: TaskStatus
  pool_name: string | null
  /** Null where it is not known: a result does not tell it. */
  task_type: string | null
  /** Seconds of the run; null until it has ended. */
  duration: number | null
  queued_ms: number | null
  attempts: number | null
  /** A code of the list of errors, where it did not complete. */
  reason: string | null
  /** At most its first 300 characters. */
  error: string | null
  submitted_at: string | null
  started_at: string | null
  finished_at: string | null
}
