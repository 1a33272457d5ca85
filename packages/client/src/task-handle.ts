// What a submitter holds of one task.
import { setTimeout as sleep } from 'node:timers/promises'
import type { NatsConnection } from '@nats-io/transport-node'
import {
  type CancelReply,
  type DistributedTaskResult,
  isTerminal,
  PoolmeshError,
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
  /** Aborted: the task is cancelled, `result()` rejects, and so does `stored` while that is open. */
  signal?: AbortSignal | undefined
  /** Called with each change of status; `running` is asked for while there is somebody to hear it. */
  onStatus?: ((event: TaskEvent) => void) | undefined
}

/** Statuses that one reader of `events` may be behind; there are few in a task's life. */
const EVENTS_KEPT = 64
const CANCEL_TRIES = 60
const CANCEL_PAUSE_MS = 500
const PASSING: readonly string[] = ['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'INTERNAL']

const isDeadline = (reason: unknown): reason is PoolmeshError =>
  reason instanceof PoolmeshError && reason.code === 'DEADLINE_EXCEEDED'

const deadlineExceeded = (taskId: string, fate: string, cause: PoolmeshError): PoolmeshError =>
  new PoolmeshError(
    'DEADLINE_EXCEEDED',
    `the deadline of the caller passed before the task ${taskId} ended: ${fate}`,
    [],
    { cause },
  )

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
  #isStored = false
  #cancelWhenStored = false
  #taskId = ''
  #forget: ((taskId: string) => void) | undefined

  private constructor(nc: NatsConnection, onStatus: SubmitOptions['onStatus']) {
    this.#nc = nc
    this.#onStatus = onStatus
    // Whoever does not ask for them must not be stopped by a rejection that nobody handles.
    this.#stored.promise.catch(() => {})
    this.#result.promise.catch(() => {})
  }

  /**
   * @internal Made by the executor: `add` submits the sink and gives the task's id; `takeBack` says whether a task that is
   * not confirmed is certain not to be stored; `letGo` forgets one that is.
   */
  static submit(
    nc: NatsConnection,
    parts: {
      add(sink: TaskSink): string
      takeBack(taskId: string): boolean
      letGo(taskId: string): void
    },
    options: SubmitOptions,
  ): TaskHandle {
    const handle = new TaskHandle(nc, options.onStatus)
    handle.#forget = parts.letGo
    handle.#taskId = parts.add({
      stored: () => handle.#hasStored(),
      settle: (result) => handle.#end(result),
      fail: (_, error) => {
        handle.#stored.reject(error)
        handle.#fail(error)
      },
    })
    handle.#abort = onAbort(options.signal, (reason) => {
      const fate = handle.#giveUp(parts.takeBack)
      const error = isDeadline(reason) ? deadlineExceeded(handle.#taskId, fate, reason) : reason
      handle.#stored.reject(error)
      handle.#fail(error)
    })
    if (options.onStatus) handle.#watchStatus()
    return handle
  }

  /** What is stored is cancelled, now or when we hear that it is. @returns what becomes of the task, for the error */
  #giveUp(takeBack: (taskId: string) => boolean): string {
    if (this.#isStored) {
      void this.#cancelAborted()
      return 'it is stored, and is being cancelled'
    }
    if (takeBack(this.#taskId)) return 'it was not stored, and will not be'
    this.#cancelWhenStored = true
    return 'the broker has not confirmed it, so it may be stored or not; if it is, it is cancelled as soon as this client hears of it'
  }

  /** Executors may be as far from the server as we are: they are asked until one answers. */
  async #cancelAborted(): Promise<void> {
    for (let tries = 0; tries < CANCEL_TRIES && !this.#nc.isClosed(); tries++) {
      try {
        await this.#askCancel('the submitter aborted it')
        return
      } catch (error) {
        if (!(error instanceof PoolmeshError) || !PASSING.includes(error.code)) return
      }
      await sleep(CANCEL_PAUSE_MS, undefined, { ref: false })
    }
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

  /**
   * Nobody will ask this handle how the task ended: once it is stored, this client keeps nothing of it, and `result()`
   * rejects. The task goes on, and `executor.getTaskResult` has its result.
   */
  letGo(): void {
    if (this.#ended) return
    if (!this.#isStored) {
      this.#stored.promise.then(
        () => this.letGo(),
        () => {},
      )
      return
    }
    this.#fail(new PoolmeshError('CANCELLED', `nobody waits for the task ${this.#taskId} here any more`))
    this.#forget?.(this.#taskId)
  }

  /** What the system knows of the task now. @throws PoolmeshError UNAVAILABLE when no executor runs */
  async status(options: RequestOptions = {}): Promise<TaskStatusReply> {
    await raceAbort(this.#stored.promise, options.signal)
    return await ask(this.#nc, SUBJECTS.taskStatus, { task_id: this.#taskId }, options)
  }

  /** @returns true: it ends `cancelled`; false: it had ended already */
  async cancel(reason?: string, options: RequestOptions = {}): Promise<boolean> {
    await raceAbort(this.#stored.promise, options.signal)
    return await this.#askCancel(reason, options)
  }

  async #askCancel(reason?: string, options: RequestOptions = {}): Promise<boolean> {
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
    this.#isStored = true
    this.#stored.resolve()
    if (this.#cancelWhenStored) void this.#cancelAborted()
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
