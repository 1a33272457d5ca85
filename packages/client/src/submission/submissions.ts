// Everything between a task in the hand of a caller and its result: the parts of this folder, wired.
import { setTimeout as sleep } from 'node:timers/promises'
import type { NatsConnection } from '@nats-io/transport-node'
import { ClaimCheck, Publisher } from '@poolmesh/bus'
import { type DistributedTaskInput, PoolmeshError } from '@poolmesh/types'
import { unavailable } from '../requests.ts'
import { isTooLarge, storePayload } from './large-task.ts'
import { LazyStoredTasks } from './lazy-stored-tasks.ts'
import { OutstandingTasks } from './outstanding.ts'
import { Packer } from './packer.ts'
import { type PreparedTask, prepareTask, withTaskId } from './prepared-task.ts'
import { newSubmissionId, Submission, type TaskSink } from './submission.ts'
import { Submitter } from './submitter.ts'

export interface SubmissionOptions {
  /**
   * Seconds after which a task that the broker has not confirmed fails, with DEADLINE_EXCEEDED where it may be stored all
   * the same, with UNAVAILABLE where it is not. Default 300: longer than a broker is away for a restart.
   */
  storeTimeout?: number | undefined
  /** Seconds without news of a task after which its result is looked up; default 5. */
  silence?: number | undefined
  /** Messages of tasks without results that this client keeps at most; beyond, `submit` throws OVERLOADED. Default 500,000. */
  maxOutstanding?: number | undefined
  /** Bytes of tasks that the broker has not confirmed, at most; beyond, `submit` throws OVERLOADED. Default 256 MiB. */
  maxUnstoredBytes?: number | undefined
}

const DEFAULT_STORE_TIMEOUT_S = 300
const DEFAULT_SILENCE_S = 5
const DEFAULT_MAX_OUTSTANDING = 500_000
const DEFAULT_MAX_UNSTORED_BYTES = 256 * 1024 ** 2
/** Between two tries to store a large payload; each waits for the broker itself. */
const LARGE_RETRY_MS = 500

export class Submissions implements Disposable {
  readonly nc: NatsConnection
  readonly claims: ClaimCheck
  readonly outstanding: OutstandingTasks
  readonly #submitter: Submitter
  readonly #packer: Packer
  readonly #maxOutstanding: number
  readonly #maxUnstoredBytes: number
  readonly #giveUpMs: number
  /** Of payloads on their way to the object store. */
  #largeBytes = 0
  readonly #parts = new DisposableStack()

  constructor(nc: NatsConnection, options: SubmissionOptions = {}) {
    this.nc = nc
    this.#maxOutstanding = options.maxOutstanding ?? DEFAULT_MAX_OUTSTANDING
    this.#maxUnstoredBytes = options.maxUnstoredBytes ?? DEFAULT_MAX_UNSTORED_BYTES
    this.#giveUpMs = (options.storeTimeout ?? DEFAULT_STORE_TIMEOUT_S) * 1_000
    this.claims = new ClaimCheck(nc)
    const stored = this.#parts.use(new LazyStoredTasks(nc))
    // Disposed in the opposite order: first nothing more is tried again, then the publishes without an answer end, and
    // what is left fails.
    this.outstanding = this.#parts.use(
      new OutstandingTasks({
        nc,
        stored,
        claims: this.claims,
        silenceMs: (options.silence ?? DEFAULT_SILENCE_S) * 1_000,
      }),
    )
    const publisher = this.#parts.use(new Publisher(nc))
    this.#submitter = this.#parts.use(
      new Submitter({
        nc,
        publisher,
        stored,
        outstanding: this.outstanding,
        giveUpMs: this.#giveUpMs,
      }),
    )
    this.#packer = new Packer((submission, firstAnswer) => this.#submitter.send(submission, firstAnswer))
  }

  /**
   * Checks a task and submits it, packed with others where others are submitted at the same time.
   * @returns its id
   * @throws PoolmeshError INVALID_INPUT, CONFLICT for an id that waits here already, OVERLOADED, PAYLOAD_TOO_LARGE
   */
  add(input: DistributedTaskInput, sink: TaskSink): string {
    this.requireOpen()
    if (this.outstanding.submissions >= this.#maxOutstanding)
      throw new PoolmeshError(
        'OVERLOADED',
        `this client waits for ${this.#maxOutstanding} messages of tasks already: wait for results first, or use submitMany`,
      )
    this.#refuseWhenFull()
    const task = this.prepare(input)
    if (!isTooLarge(this.nc, task)) return this.#packer.add(task, sink)
    const id = task.id ?? newSubmissionId()
    void this.sendLarge(input, task, id, sink).catch((error) => sink.fail(id, error))
    return id
  }

  #refuseWhenFull(): void {
    const bytes = this.#submitter.unstoredBytes + this.#largeBytes
    if (bytes < this.#maxUnstoredBytes) return
    const why = this.#submitter.isUp ? 'the broker confirms them' : 'the NATS server is back'
    throw new PoolmeshError(
      'OVERLOADED',
      `${bytes} bytes of tasks wait here until ${why}, and no more are taken: try again later`,
    )
  }

  /**
   * Nobody waits for that task any more, and it is not confirmed.
   * @returns true: it is not stored and will not be; false: it may be
   */
  takeBack(taskId: string): boolean {
    const submission = this.outstanding.submissionOf(taskId)
    if (!submission?.alone || !this.#submitter.takeBack(submission)) return false
    submission.drop(0)
    this.outstanding.removeIfOver(submission)
    return true
  }

  /**
   * Nobody waits for that task any more, and it is confirmed: nothing of it is kept here. One whose payload lies apart is kept
   * until it ends, and its payload deleted then.
   */
  letGo(taskId: string): void {
    const submission = this.outstanding.submissionOf(taskId)
    if (!submission?.stored || submission.payloadRef) return
    submission.drop(submission.indexOf(taskId))
    this.outstanding.removeIfOver(submission)
  }

  prepare(input: DistributedTaskInput): PreparedTask {
    const task = prepareTask(input)
    if (task.id !== null && this.outstanding.has(task.id))
      throw new PoolmeshError('CONFLICT', `a task with the id ${task.id} is already pending`)
    return task
  }

  isTooLarge(task: PreparedTask): boolean {
    return isTooLarge(this.nc, task)
  }

  /** Resolves when the payload is stored and the task has left. @throws PoolmeshError PAYLOAD_TOO_LARGE, UNAVAILABLE */
  async sendLarge(
    input: DistributedTaskInput,
    task: PreparedTask,
    id: string,
    sink: TaskSink,
  ): Promise<Submission> {
    const { text, payloadRef } = await this.#storePayload(input, task.bytes)
    const submission = new Submission({
      id,
      lane: task.lane,
      text: task.id === null ? withTaskId(text, id) : text,
      alone: true,
      chosen: task.id !== null,
      payloadRef,
      sinks: [sink],
    })
    this.send(submission)
    return submission
  }

  /** Tried again while the broker is away, as the task itself would be. */
  async #storePayload(input: DistributedTaskInput, bytes: number): ReturnType<typeof storePayload> {
    const giveUpAt = performance.now() + this.#giveUpMs
    this.#largeBytes += bytes
    try {
      for (;;) {
        try {
          const stored = await storePayload(this.nc, this.claims, input)
          this.requireOpen()
          return stored
        } catch (error) {
          this.requireOpen()
          const mayPass = error instanceof PoolmeshError && error.code === 'UNAVAILABLE'
          if (!mayPass || performance.now() > giveUpAt) throw error
        }
        await sleep(LARGE_RETRY_MS)
      }
    } finally {
      this.#largeBytes -= bytes
    }
  }

  send(submission: Submission): void {
    this.#submitter.send(submission)
  }

  requireOpen(): void {
    if (this.#parts.disposed || this.nc.isClosed()) throw unavailable('the client is closed')
  }

  [Symbol.dispose](): void {
    if (this.#parts.disposed) return
    this.#packer.flush()
    this.#parts.dispose()
  }
}
