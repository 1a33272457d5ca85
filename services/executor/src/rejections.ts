// What was published as a task and is none: recorded on `task.rejected`, and ended as failed where it has a readable id.
import { headers } from '@nats-io/transport-node'
import type { Publisher, StoredTasks, TaskMessage } from '@poolmesh/bus'
import {
  completedSubject,
  type DistributedTaskResult,
  HEADERS,
  isId,
  type PoolmeshError,
  type Rejection,
  SUBJECTS,
} from '@poolmesh/types'
import type { Logger } from 'pino'

const RECEIVED_BYTES = 4_096

export class Rejections {
  readonly #publisher: Publisher
  readonly #stored: StoredTasks
  readonly #log: Logger

  constructor(publisher: Publisher, stored: StoredTasks, log: Logger) {
    this.#publisher = publisher
    this.#stored = stored
    this.#log = log
  }

  /** @returns whether it is recorded; false: try again later */
  async record(error: PoolmeshError, message: TaskMessage, value: unknown): Promise<boolean> {
    const rejection: Rejection = {
      error: { ...error.toRefusal().error, issues: error.issues.map((issue) => ({ ...issue })) },
      received: Buffer.from(message.data.subarray(0, RECEIVED_BYTES)).toString('utf8'),
      at: new Date().toISOString(),
    }
    this.#log.warn(
      { code: error.code, subject: message.subject, problem: error.message },
      'not a task, rejected',
    )
    const h = headers()
    h.set(
      'Nats-Msg-Id',
      `${message.subject}:${message.sequence}:${error.message.slice(0, 200)}`.replace(/[^\x20-\x7e]/g, '?'),
    )
    const outcome = await this.#publisher.store(SUBJECTS.taskRejected, JSON.stringify(rejection), h)
    if (outcome.kind !== 'stored') return false
    const taskId = (value as { task_id?: unknown } | null | undefined)?.task_id
    if (!isId(taskId)) return true
    return await this.#fail(taskId, error, message)
  }

  async #fail(taskId: string, error: PoolmeshError, message: TaskMessage): Promise<boolean> {
    // The same id may be pending as a valid task, which this must not end.
    const pending = await this.#stored.submission(taskId).catch(() => null)
    if (pending && pending.sequence !== message.sequence) return true
    const h = headers()
    h.set(HEADERS.expectedLastSubjectSequence, '0')
    const text = JSON.stringify(refusedResult(taskId, error))
    const outcome = await this.#publisher.store(completedSubject(taskId), text, h)
    const notify = message.headers?.get(HEADERS.notify)
    if (outcome.kind === 'stored' && notify) this.#publisher.tell(notify, text)
    // Refused: it has a result already, which stands.
    return outcome.kind !== 'unknown'
  }
}

/** How a task ends that is none. */
export const refusedResult = (taskId: string, error: PoolmeshError): DistributedTaskResult => ({
  task_id: taskId,
  pool_name: null,
  status: 'failed',
  output: null,
  error: error.message,
  duration: 0,
  metadata: { attempts: 0, queued_ms: 0, reason: error.code, issues: error.issues },
})
