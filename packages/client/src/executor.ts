import type { NatsConnection } from '@nats-io/transport-node'
import {
  type CancelReply,
  type DistributedTaskInput,
  type DistributedTaskResult,
  type ExecutorStatsReply,
  type ExplainReply,
  isTerminal,
  type RoutingStrategy,
  SUBJECTS,
  type TaskStatusReply,
} from '@poolmesh/types'
import { DeadLetters } from './dead-letters.ts'
import { ask, type RequestOptions } from './requests.ts'
import { hasOutputRef, withOutput } from './submission/outputs.ts'
import { type StoreOutcome, storeTasks } from './submission/store-tasks.ts'
import type { TaskSink } from './submission/submission.ts'
import { type SubmissionOptions, Submissions } from './submission/submissions.ts'
import { type SubmitManyOptions, type TaskSource, TaskStream } from './submission/task-stream.ts'
import { type SubmitOptions, TaskHandle } from './task-handle.ts'

/** The stats are asked of every executor; the answer waits for the slowest. */
const STATS_TIMEOUT_MS = 10_000

/**
 * Submits tasks and follows them. Owns a subscription and timers on the connection: close it, or use `await using`. The
 * connection stays the caller's.
 */
export class DistributedTaskExecutor implements AsyncDisposable {
  readonly #nc: NatsConnection
  readonly #submissions: Submissions
  /** What is not tried again. */
  readonly deadLetters: DeadLetters

  constructor(nc: NatsConnection, options: SubmissionOptions = {}) {
    this.#nc = nc
    this.#submissions = new Submissions(nc, options)
    this.deadLetters = new DeadLetters(nc)
  }

  /**
   * Submits a task and waits for how it ended, whatever the status: a failed task is a result and no exception.
   * @param strategy instead of the task's own `routing_strategy`
   * @param options.signal aborted: the task is cancelled, and the promise rejects; after a time-out signal with
   *   DEADLINE_EXCEEDED
   * @throws PoolmeshError INVALID_INPUT with `issues`, CONFLICT, OVERLOADED, PAYLOAD_TOO_LARGE, UNAVAILABLE
   */
  async executeTask(
    task: DistributedTaskInput,
    strategy?: RoutingStrategy,
    options: SubmitOptions = {},
  ): Promise<DistributedTaskResult> {
    const routed = strategy === undefined ? task : { ...task, routing_strategy: strategy }
    return await this.submit(routed, options).result()
  }

  /**
   * Submits a task and returns at once. Tasks that are submitted at the same time are packed into batches.
   * @throws PoolmeshError INVALID_INPUT with `issues`, CONFLICT, OVERLOADED; what goes wrong later rejects the handle's
   *   promises
   */
  submit(task: DistributedTaskInput, options: SubmitOptions = {}): TaskHandle {
    options.signal?.throwIfAborted()
    const parts = {
      add: (sink: TaskSink) => this.#submissions.add(task, sink),
      takeBack: (taskId: string) => this.#submissions.takeBack(taskId),
      letGo: (taskId: string) => this.#submissions.letGo(taskId),
    }
    return TaskHandle.submit(this.#nc, parts, options)
  }

  /** Submits what a source gives, at the pace of the system, and gives the results as they come. */
  submitMany(tasks: TaskSource, options: SubmitManyOptions = {}): TaskStream {
    this.#submissions.requireOpen()
    return new TaskStream(this.#submissions, tasks, options)
  }

  /**
   * Stores tasks and waits for the broker's word, not for results. Which id a task without one gets depends on the key and
   * its place alone: after an interruption the same call stores nothing twice, for as long as results are kept.
   * @param key nobody else's, such as a random id and the number of the call
   * @throws PoolmeshError INVALID_INPUT before anything is stored, OVERLOADED, PAYLOAD_TOO_LARGE, UNAVAILABLE, DEADLINE_EXCEEDED:
   *   then some may be stored
   */
  async storeTasks(key: string, tasks: readonly DistributedTaskInput[]): Promise<StoreOutcome> {
    this.#submissions.requireOpen()
    return await storeTasks(this.#submissions, key, tasks)
  }

  /** @throws PoolmeshError NOT_FOUND, UNAVAILABLE when no executor runs */
  async getTaskStatus(taskId: string, options: RequestOptions = {}): Promise<TaskStatusReply> {
    return await ask(this.#nc, SUBJECTS.taskStatus, { task_id: taskId }, options)
  }

  /** The result of any task, whoever submitted it; null: it has not ended. @throws PoolmeshError NOT_FOUND */
  async getTaskResult(taskId: string, options: RequestOptions = {}): Promise<DistributedTaskResult | null> {
    const reply = await ask<DistributedTaskResult | TaskStatusReply>(
      this.#nc,
      SUBJECTS.taskResult,
      { task_id: taskId },
      options,
    )
    if (!isTerminal(reply.status) || !('output' in reply)) return null
    const result = reply as DistributedTaskResult
    return hasOutputRef(result) ? await withOutput(this.#submissions.claims, result) : result
  }

  /** @returns true: it ends `cancelled`; false: it had ended already. @throws PoolmeshError NOT_FOUND */
  async cancelTask(
    taskId: string,
    options: RequestOptions & { reason?: string | undefined } = {},
  ): Promise<boolean> {
    const { reason } = options
    const request = reason === undefined ? { task_id: taskId } : { task_id: taskId, reason }
    return (await ask<CancelReply>(this.#nc, SUBJECTS.taskCancel, request, options)).cancelled
  }

  /** Why a task is where it is, or where one would go if it were submitted now. */
  async explainTask(
    task: string | DistributedTaskInput,
    options: RequestOptions = {},
  ): Promise<ExplainReply> {
    const request = typeof task === 'string' ? { task_id: task } : task
    return await ask(this.#nc, SUBJECTS.taskExplain, request, options)
  }

  /** Over all executors. */
  async getExecutorStats(options: RequestOptions = {}): Promise<ExecutorStatsReply> {
    return await ask(this.#nc, SUBJECTS.executorStats, {}, { timeoutMs: STATS_TIMEOUT_MS, ...options })
  }

  /** Tasks without a result go on in the system; their handles reject with UNAVAILABLE. */
  async close(): Promise<void> {
    this.#submissions[Symbol.dispose]()
    await this.#submissions.outstanding.payloadsDeleted()
    // What was submitted a moment ago is with the broker before the connection may be closed.
    if (!this.#nc.isClosed()) await this.#nc.flush().catch(() => {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
