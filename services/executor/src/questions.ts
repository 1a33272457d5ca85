// What people ask of tasks: status, result, cancel, explain. Whoever holds a task answers for it; what nobody holds is
// looked up in the streams.

import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { headers, type NatsConnection } from '@nats-io/transport-node'
import { type Publisher, type StoredSubmission, type StoredTasks, WRONG_LAST_SEQUENCE } from '@poolmesh/bus'
import type { Entry, PoolTable, TaskEngine } from '@poolmesh/core'
import {
  batchOfTaskId,
  branchResultSubject,
  type CancelReply,
  completedSubject,
  type DistributedTask,
  type DistributedTaskResult,
  type ExplainReply,
  HEADERS,
  INTERNAL,
  PoolmeshError,
  parseTask,
  type RoutingStrategy,
  STREAMS,
  SUBJECTS,
  submittedSubject,
  type TaskStatusReply,
} from '@poolmesh/types'
import type { Held } from './held.ts'

const ASK = {
  status: { task: INTERNAL.askStatus, fanOut: INTERNAL.askFanOutStatus },
  cancel: { task: INTERNAL.askCancel, fanOut: INTERNAL.askFanOutCancel },
  explain: { task: INTERNAL.askExplain, fanOut: INTERNAL.askFanOutExplain },
} as const
const FANOUT_LANE = submittedSubject('fanout', '')
/** How long the executor that dispatches has to answer. */
const ASK_MS = 1_000
/** A cancellation is answered when it is stored. */
const CANCEL_MS = 3_000
/** How often, and how many times, a task that is not found yet is looked for while the intake is behind. */
const BEHIND_MS = 25
const BEHIND_TIMES = 80

const iso = (ms: number): string | null => (ms > 0 ? new Date(ms).toISOString() : null)

/** A status from a stored result. */
const statusOfResult = (result: DistributedTaskResult, storedAt: string): TaskStatusReply => {
  const { metadata } = result
  const text = (key: string): string | null =>
    typeof metadata[key] === 'string' ? (metadata[key] as string) : null
  return {
    task_id: result.task_id,
    status: result.status,
    pool_name: result.pool_name,
    attempt: typeof metadata['attempts'] === 'number' ? metadata['attempts'] : 0,
    submitted_at: text('submitted_at'),
    started_at: text('started_at'),
    finished_at: storedAt,
  }
}

export const statusOfEntry = (entry: Entry): TaskStatusReply => ({
  task_id: entry.task.task_id,
  status: entry.state === 'running' ? 'running' : 'pending',
  pool_name: entry.run?.pool.name ?? null,
  attempt: entry.runs,
  submitted_at: iso(entry.batch.submittedAt),
  started_at: iso(entry.firstStartedAt),
  finished_at: null,
})

const notFound = (taskId: string): PoolmeshError =>
  new PoolmeshError(
    'NOT_FOUND',
    `no task ${taskId}: it was never submitted, or its result is older than results are kept`,
  )

export class Questions {
  readonly #nc: NatsConnection
  readonly #jsm: JetStreamManager
  readonly #engine: TaskEngine<Held>
  readonly #stored: StoredTasks
  readonly #publisher: Publisher
  readonly #defaultStrategy: RoutingStrategy
  readonly #mayAct: () => boolean

  private constructor(nc: NatsConnection, jsm: JetStreamManager, parts: QuestionParts) {
    this.#nc = nc
    this.#jsm = jsm
    this.#engine = parts.engine
    this.#stored = parts.stored
    this.#publisher = parts.publisher
    this.#defaultStrategy = parts.defaultStrategy
    this.#mayAct = parts.mayAct
  }

  static async open(nc: NatsConnection, parts: QuestionParts): Promise<Questions> {
    return new Questions(nc, await jetstreamManager(nc), parts)
  }

  async status(taskId: string): Promise<TaskStatusReply> {
    const held = this.#held(taskId)
    if (held && held.state !== 'settled') return statusOfEntry(held)
    const request = { task_id: taskId }
    return await this.#look(
      taskId,
      async (submission) => {
        const answer = await this.#ask<TaskStatusReply>(askedOf(ASK.status, submission), request)
        if (answer) return answer
        // It may have ended meanwhile, and what was read may have been behind that.
        const ended = await this.#stored.result(taskId, true)
        if (ended) return statusOfResult(ended.result, ended.at)
        return {
          task_id: taskId,
          status: 'pending',
          pool_name: null,
          attempt: 0,
          submitted_at: submittedAt(submission),
          started_at: null,
          finished_at: null,
        }
      },
      () => this.#ask<TaskStatusReply>(ASK.status.task, request),
    )
  }

  /** What an executor holds that was paused may have ended meanwhile, under another that took over. */
  #held(taskId: string): Entry | undefined {
    return this.#mayAct() ? this.#engine.find(taskId) : undefined
  }

  /** The stored result; for a task that has not ended, its status. */
  async result(taskId: string): Promise<DistributedTaskResult | TaskStatusReply> {
    const found = await this.#stored.result(taskId)
    return found ? found.result : await this.status(taskId)
  }

  async cancel(taskId: string, reason: string | undefined): Promise<CancelReply> {
    const held = await this.#engine.cancel(taskId, reason)
    if (held) return { task_id: taskId, ...held }
    const request = { task_id: taskId, ...(reason === undefined ? {} : { reason }) }
    const reply = await this.#look<CancelReply | TaskStatusReply>(
      taskId,
      async (submission) => {
        const answer = await this.#ask<CancelReply>(askedOf(ASK.cancel, submission), request, CANCEL_MS)
        return answer ?? (await this.#cancelStored(taskId, reason, submission))
      },
      () => this.#ask<CancelReply>(ASK.cancel.task, request, CANCEL_MS),
    )
    return {
      task_id: taskId,
      cancelled: 'cancelled' in reply && reply.cancelled === true,
      status: reply.status,
    }
  }

  async explain(request: Record<string, unknown>): Promise<ExplainReply> {
    if ('task_type' in request || 'payload' in request) return this.#explainNew(request)
    const taskId = request['task_id'] as string
    const held = this.#held(taskId)
    if (held) return explainEntry(held, this.#engine.table)
    const ended = (status: TaskStatusReply): ExplainReply => ({
      task_id: taskId,
      status: status.status,
      strategy: null,
      chosen: status.pool_name,
      candidates: [],
      counts: {},
      waiting_for: null,
    })
    const reply = await this.#look<ExplainReply | TaskStatusReply>(
      taskId,
      async (submission) => {
        const answer = await this.#ask<ExplainReply>(askedOf(ASK.explain, submission), { task_id: taskId })
        if (answer) return answer
        const task = taskIn(submission, taskId)
        const parsed = parseTask(task, { taskId, defaultStrategy: this.#defaultStrategy })
        if (!parsed.ok) throw parsed.error
        return explainTask(parsed.task, this.#engine.table, 'pending')
      },
      () => this.#ask<ExplainReply>(ASK.explain.task, { task_id: taskId }),
    )
    return 'candidates' in reply ? (reply as ExplainReply) : ended(reply as TaskStatusReply)
  }

  #explainNew(request: Record<string, unknown>): ExplainReply {
    const parsed = parseTask(request, { taskId: 'not-submitted', defaultStrategy: this.#defaultStrategy })
    if (!parsed.ok) throw parsed.error
    const reply = explainTask(parsed.task, this.#engine.table, null)
    return { ...reply, task_id: typeof request['task_id'] === 'string' ? request['task_id'] : null }
  }

  /**
   * The status of an ended task, or what `pending` makes of its submission; NOT_FOUND when there is neither.
   * @param direct asks the executor that dispatches, which may have the task from the intake itself
   */
  async #look<T>(
    taskId: string,
    pending: (submission: StoredSubmission) => Promise<T>,
    direct: () => Promise<T | null>,
  ): Promise<T | TaskStatusReply> {
    let behind = true
    for (let times = 0; ; times++) {
      const ended = await this.#stored.result(taskId)
      if (ended) return statusOfResult(ended.result, ended.at)
      // In a cluster a copy may be behind: what is found is taken, what is not is looked for where it is known best.
      const submission = await this.#stored.submission(taskId, times > 0)
      if (submission) return await pending(submission)
      // It may have ended between the two looks, or be on its way through the intake.
      const late = await this.#stored.result(taskId, true)
      if (late) return statusOfResult(late.result, late.at)
      // When the intake is through, a last look: it may have moved the task since the one above.
      if (!behind) throw notFound(taskId)
      if (times >= BEHIND_TIMES)
        throw new PoolmeshError(
          'UNAVAILABLE',
          `${taskId} is not known yet, and tasks that were published to task.submitted still wait to be taken in: ask again`,
        )
      behind = await this.#intakeIsBehind()
      const held = behind && (await direct())
      if (held) return held
      if (behind) await new Promise((resolve) => setTimeout(resolve, BEHIND_MS))
    }
  }

  async #intakeIsBehind(): Promise<boolean> {
    const { state } = await this.#jsm.streams.info(STREAMS.tasks, { subjects_filter: SUBJECTS.taskSubmitted })
    return (state.subjects?.[SUBJECTS.taskSubmitted] ?? 0) > 0
  }

  /** Asks whoever has tasks; null when it does not hold this one, or nobody does, or there is no answer. */
  async #ask<T>(subject: string, request: object, timeoutMs = ASK_MS): Promise<T | null> {
    try {
      const answer = await this.#nc.request(subject, JSON.stringify(request), { timeout: timeoutMs })
      return answer.json<T | null>()
    } catch {
      return null
    }
  }

  /** Nobody holds it yet: its result is stored, and a submission of its own is taken out. */
  async #cancelStored(
    taskId: string,
    reason: string | undefined,
    submission: StoredSubmission,
  ): Promise<CancelReply> {
    const alone = !Array.isArray(submission.body)
    const id = submission.subject.slice(submission.subject.lastIndexOf('.') + 1)
    const branch = submission.headers?.has(HEADERS.parent) === true
    const subject = branch
      ? branchResultSubject(id)
      : completedSubject(alone ? taskId : (batchOfTaskId(taskId) ?? id))
    const { results, lastSequence } = await this.#stored.under(subject)
    const already = results.find((result) => result.task_id === taskId)
    if (already) return { task_id: taskId, cancelled: false, status: already.status }
    const result: DistributedTaskResult = {
      task_id: taskId,
      pool_name: null,
      status: 'cancelled',
      output: null,
      error: reason ? `cancelled: ${reason}` : 'cancelled',
      duration: 0,
      metadata: { attempts: 0, queued_ms: 0, submitted_at: submittedAt(submission), reason: 'CANCELLED' },
    }
    const h = headers()
    h.set(HEADERS.expectedLastSubjectSequence, String(lastSequence))
    const text = JSON.stringify(alone ? result : [result])
    const outcome = await this.#publisher.store(subject, text, h)
    if (outcome.kind === 'stored') {
      // Whoever dispatches may have looked for a result a moment before, and holds it by now.
      await this.#ask(askedOf(ASK.cancel, submission), { task_id: taskId }, CANCEL_MS)
      // Asking may have taken seconds: a server that was restarted may have lost the result, and the task is to be done.
      if (alone && (await this.#stored.result(taskId)))
        await this.#jsm.streams.deleteMessage(STREAMS.tasks, submission.sequence, false).catch(() => false)
      const notify = submission.headers?.get(HEADERS.notify)
      if (notify) this.#publisher.tell(notify, text)
      return { task_id: taskId, cancelled: true, status: 'cancelled' }
    }
    if (outcome.kind === 'refused' && WRONG_LAST_SEQUENCE.has(outcome.code))
      return await this.cancel(taskId, reason)
    throw new PoolmeshError(
      'UNAVAILABLE',
      `the cancellation could not be stored (${outcome.message}): try again`,
    )
  }
}

export interface QuestionParts {
  engine: TaskEngine<Held>
  stored: StoredTasks
  publisher: Publisher
  defaultStrategy: RoutingStrategy
  /** Whether we dispatch. */
  mayAct(): boolean
}

/** Who has tasks of that lane. */
const askedOf = (ask: { task: string; fanOut: string }, submission: StoredSubmission): string =>
  submission.subject.startsWith(FANOUT_LANE) ? ask.fanOut : ask.task

const submittedAt = (submission: StoredSubmission): string => {
  const ms = Number(submission.headers?.get(HEADERS.submitted))
  return ms > 0 ? new Date(ms).toISOString() : submission.at
}

const taskIn = (submission: StoredSubmission, taskId: string): unknown =>
  Array.isArray(submission.body)
    ? submission.body.find((task, i) => (task?.task_id ?? `${batchOfTaskId(taskId)}-${i}`) === taskId)
    : submission.body

export function explainEntry(entry: Entry, table: PoolTable): ExplainReply {
  const base = table.explain(entry.signature.requirements, entry.preferences)
  const running = entry.run?.pool.name ?? null
  return {
    task_id: entry.task.task_id,
    status: entry.state === 'running' ? 'running' : 'pending',
    strategy: entry.preferences.strategy,
    ...base,
    chosen: running ?? base.chosen,
    waiting_for: running
      ? null
      : entry.delay === 'not_before'
        ? notBefore(entry.task)
        : entry.delay === 'backoff'
          ? `the pause before try ${entry.attempts + 1} of ${entry.task.max_attempts}`
          : waitingFor(entry.task, base.chosen, table),
  }
}

function explainTask(task: DistributedTask, table: PoolTable, status: 'pending' | null): ExplainReply {
  const { metadata } = task
  const preferred = metadata['preferred_capabilities']
  const base = table.explain(
    { capabilities: task.required_capabilities, pool: task.pool ?? null },
    {
      strategy: task.routing_strategy,
      region: typeof metadata['region'] === 'string' ? metadata['region'] : null,
      affinityKey: typeof metadata['affinity_key'] === 'string' ? metadata['affinity_key'] : task.task_type,
      preferred: Array.isArray(preferred) ? preferred.filter((c): c is string => typeof c === 'string') : [],
      avoid: null,
    },
  )
  return {
    task_id: task.task_id,
    status,
    strategy: task.routing_strategy,
    ...base,
    waiting_for: isForLater(task) ? notBefore(task) : waitingFor(task, base.chosen, table),
  }
}

const isForLater = (task: DistributedTask): boolean =>
  task.not_before != null && Date.parse(task.not_before) > Date.now()

const notBefore = (task: DistributedTask): string => `its not_before, ${task.not_before}`

function waitingFor(task: DistributedTask, chosen: string | null, table: PoolTable): string | null {
  if (chosen) return null
  const wants =
    task.required_capabilities.length > 0 ? ` with ${task.required_capabilities.slice(0, 10).join(', ')}` : ''
  const what = task.pool ? `the pool ${task.pool}${wants}` : `a pool${wants}`
  const fit = table.anyFits({ capabilities: task.required_capabilities, pool: task.pool ?? null })
  if (fit === 'none') return `${what}: none is registered and healthy`
  return `a free slot in ${what}: all that fit are full`
}
