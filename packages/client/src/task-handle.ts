// What a submitter holds of one task.

import type { NatsConnection } from '@nats-io/transport-node'
import {
  type CancelReply,
  type DistributedTaskResult,
  isTerminal,
  SUBJECTS,
  type TaskStatus,
  type TaskStatusReply,
} from '@poolmesh/types'
import { onAbort, raceAbort } from './abort.ts'
import { EventStream } from './event-stream.ts'
import { ask, type RequestOptions } from './requests.ts'
import { StatusWatch } from './status-watch.ts'
import type { TaskSink } from './submission/submission.ts'

/** A change of a task's status, as this client saw it. */
export interface TaskEvent {
  task_id: string
  status: TaskStatus
  pool_name: string | null
  /** With a terminal status. */
  result?: DistributedTaskResult
}

export interface SubmitOptions {
  /** Aborted: the task is cancelled, and `result()` rejects. */
  signal?: AbortSignal | undefined
  /** Called with each change of status; `running` is asked for while there is somebody to hear it. */
  onStatus?: ((event: TaskEvent) => void) | undefined
}

/** Statuses that one reader of `events` may be behind; there are few in a task's life. */
const EVENTS_KEPT = 64

export class TaskHandle {
  readonly #nc: NatsConnection
  readonly #stored = Promise.withResolvers<void>()
  readonly #result = Promise.withResolvers<DistributedTaskResult>()
  readonly #streams = new Set<EventStream<TaskEvent>>()
  readonly #onStatus: ((event: TaskEvent) => void) | undefined
  #abort: Disposable | undefined
  #watch: StatusWatch | undefined
  #last: TaskEvent | undefined
  #ended = false
  #taskId = ''

  private constructor(nc: NatsConnection, onStatus: SubmitOptions['onStatus']) {
    this.#nc = nc
    this.#onStatus = onStatus
    // Whoever does not ask for them must not be stopped by a rejection that nobody handles.
    this.#stored.promise.catch(() => {})
    this.#result.promise.catch(() => {})
  }

  /** @internal Made by the executor: `add` submits the sink and gives the task's id. */
  static submit(nc: NatsConnection, add: (sink: TaskSink) => string, options: SubmitOptions): TaskHandle {
    const handle = new TaskHandle(nc, options.onStatus)
    handle.#taskId = add({
      stored: () => handle.#hasStored(),
      settle: (result) => handle.#end(result),
      fail: (_, error) => {
        handle.#stored.reject(error)
        handle.#fail(error)
      },
    })
    handle.#abort = onAbort(options.signal, (reason) => {
      // Waits until it is stored, if that is still open: what is not there cannot be cancelled.
      void handle.cancel('the submitter aborted it').catch(() => {})
      handle.#fail(reason)
    })
    if (options.onStatus) handle.#watchStatus()
    return handle
  }

  get taskId(): string {
    return this.#taskId
  }

  /** Resolves when the broker has stored the task: from then on it will end in exactly one result. */
  get stored(): Promise<void> {
    return this.#stored.promise
  }

  /**
   * How the task ended, whatever the status; a failed task is a result and no exception.
   * @param options.signal stops the waiting, not the task
   * @throws PoolmeshError CONFLICT, OVERLOADED, PAYLOAD_TOO_LARGE, UNAVAILABLE or DEADLINE_EXCEEDED when it could not be
   *   stored; the signal's reason when the submission's signal was aborted
   */
  result(options: { signal?: AbortSignal } = {}): Promise<DistributedTaskResult> {
    return raceAbort(this.#result.promise, options.signal)
  }

  /** What the system knows of the task now. @throws PoolmeshError UNAVAILABLE when no executor runs */
  async status(options: RequestOptions = {}): Promise<TaskStatusReply> {
    await raceAbort(this.#stored.promise, options.signal)
    return await ask(this.#nc, SUBJECTS.taskStatus, { task_id: this.#taskId }, options)
  }

  /** @returns true: it ends `cancelled`; false: it had ended already */
  async cancel(reason?: string, options: RequestOptions = {}): Promise<boolean> {
    await raceAbort(this.#stored.promise, options.signal)
    const request = reason === undefined ? { task_id: this.#taskId } : { task_id: this.#taskId, reason }
    const reply = await ask<CancelReply>(this.#nc, SUBJECTS.taskCancel, request, options)
    return reply.cancelled
  }

  /** The changes of status from now on, the last one known first. Ends with the task; break to stop listening. */
  get events(): AsyncIterable<TaskEvent> {
    return { [Symbol.asyncIterator]: () => this.#openStream() }
  }

  #openStream(): AsyncIterator<TaskEvent> {
    const stream = new EventStream<TaskEvent>({
      capacity: EVENTS_KEPT,
      onClose: () => {
        this.#streams.delete(stream)
        if (this.#streams.size === 0 && !this.#onStatus) this.#stopWatch()
      },
    })
    if (this.#last) stream.push(this.#last)
    if (this.#ended) stream.end()
    else {
      this.#streams.add(stream)
      this.#watchStatus()
    }
    return stream[Symbol.asyncIterator]()
  }

  #watchStatus(): void {
    if (this.#ended || this.#watch) return
    this.#watch = new StatusWatch(
      () => this.status(),
      ({ status, pool_name }) => {
        // How it ended is told with its result.
        if (!isTerminal(status)) this.#tell({ task_id: this.#taskId, status, pool_name })
      },
    )
  }

  #stopWatch(): void {
    this.#watch?.[Symbol.dispose]()
    this.#watch = undefined
  }

  #tell(event: TaskEvent): void {
    if (this.#ended || (this.#last?.status === event.status && this.#last.pool_name === event.pool_name))
      return
    this.#last = event
    for (const stream of this.#streams) stream.push(event)
    this.#onStatus?.(event)
  }

  #hasStored(): void {
    this.#stored.resolve()
    // The sink may be told before its id is known here; then it has not been told to anybody yet either.
    queueMicrotask(() => {
      if (this.#last === undefined) this.#tell({ task_id: this.#taskId, status: 'pending', pool_name: null })
    })
  }

  #end(result: DistributedTaskResult): void {
    if (this.#ended) return
    this.#tell({ task_id: result.task_id, status: result.status, pool_name: result.pool_name, result })
    this.#result.resolve(result)
    this.#close()
  }

  #fail(error: unknown): void {
    if (this.#ended) return
    this.#result.reject(error)
    this.#close(error)
  }

  #close(error?: unknown): void {
    this.#ended = true
    this.#abort?.[Symbol.dispose]()
    this.#stopWatch()
    for (const stream of [...this.#streams]) stream.end(error)
    this.#streams.clear()
  }
}
