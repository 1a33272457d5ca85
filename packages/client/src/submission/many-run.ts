// Many tasks from a source of any length: taken at the pace of the system, packed into batches, results given as they
// come. What is in hand (without a result, or with one that the reader has not taken) is bounded by the window, so that
// neither a slow system nor a slow reader makes memory grow: the source waits.
import {
  type CancelReply,
  type DistributedTaskInput,
  type DistributedTaskResult,
  type Lane,
  MAX_BATCH_TASKS,
  PoolmeshError,
  SlotMap,
  SUBJECTS,
  taskIdInBatch,
} from '@poolmesh/types'
import { onAbort } from '../abort.ts'
import { ask } from '../requests.ts'
import { OpenBatch, submissionOf } from './packer.ts'
import type { PreparedTask } from './prepared-task.ts'
import { RunSink } from './run-sink.ts'
import { newSubmissionId, type Submission } from './submission.ts'
import type { Submissions } from './submissions.ts'
import type { SubmitManyOptions, SubmitProgress, TaskSource } from './task-stream.ts'

const DEFAULT_WINDOW = 10_000
const DEFAULT_BATCH_SIZE = 100
/** Bytes of tasks that the broker has not confirmed, at most. */
const MAX_UNSTORED_BYTES = 32 * 1024 * 1024
/** Tasks that are taken from a source that never waits before the event loop gets its turn. */
const TURN = 1_000
const PROGRESS_MS = 100
/** Requests for cancelling at one time. */
const CANCELS = 64

interface Filling {
  batch: OpenBatch
  sink: RunSink
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export class ManyRun {
  readonly #engine: Submissions
  readonly #source: TaskSource
  readonly #window: number
  readonly #batchSize: number
  readonly #onProgress: SubmitManyOptions['onProgress']
  readonly #abort: Disposable
  readonly #filling = new Map<Lane, Filling>()
  readonly #submissions = new SlotMap<string, Submission>()
  readonly #progress: SubmitProgress = {
    submitted: 0,
    stored: 0,
    ended: 0,
    by_status: { completed: 0, failed: 0, timeout: 0, cancelled: 0 },
  }
  #reportAt = 0
  #unstoredBytes = 0
  /** Tasks without a result. */
  #outstanding = 0
  #ready: DistributedTaskResult[] = []
  /** What the reader took last is still in its hand. */
  #reading = 0
  #sourceEnded = false
  #stopped = false
  #failure: { error: unknown } | null = null
  #wakePump: (() => void) | null = null
  #wakeReader: (() => void) | null = null

  constructor(engine: Submissions, source: TaskSource, options: SubmitManyOptions) {
    this.#engine = engine
    this.#source = source
    this.#window = Math.max(1, options.window ?? DEFAULT_WINDOW)
    this.#batchSize = Math.min(MAX_BATCH_TASKS, Math.max(1, options.batchSize ?? DEFAULT_BATCH_SIZE))
    this.#onProgress = options.onProgress
    this.#abort = onAbort(options.signal, (reason) => this.#cancelAll(reason))
    void this.#pump()
  }

  /** The results that have come, one at least; null at the end. @throws what the source threw, or what went wrong */
  async take(): Promise<DistributedTaskResult[] | null> {
    this.#reading = 0
    for (;;) {
      this.#wakeIfRoom()
      if (this.#ready.length > 0) {
        const results = this.#ready
        this.#ready = []
        this.#reading = results.length
        return results
      }
      if (this.#stopped || ((this.#sourceEnded || this.#failure) && this.#outstanding === 0)) {
        this.#report(true)
        if (this.#failure) throw this.#failure.error
        return null
      }
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve
      })
    }
  }

  /** Takes no more and waits for nothing; what is stored runs on. */
  stop(): void {
    this.#stopped = true
    this.#abort[Symbol.dispose]()
    this.#filling.clear()
    for (const submission of this.#submissions.values()) {
      for (let i = 0; i < submission.size; i++) submission.drop(i)
      this.#engine.outstanding.removeIfOver(submission)
    }
    this.#submissions.clear()
    this.#wake()
  }

  hasStored(): void {
    this.#progress.stored++
    this.#report(this.#sourceEnded && this.#progress.stored === this.#progress.submitted)
  }

  release(bytes: number): void {
    this.#unstoredBytes -= bytes
    this.#wakeIfRoom()
  }

  settled(result: DistributedTaskResult): void {
    this.#outstanding--
    this.#progress.ended++
    this.#progress.by_status[result.status]++
    this.#ready.push(result)
    this.#report(false)
    this.#wakeReaderNow()
  }

  failed(error: unknown): void {
    this.#outstanding--
    this.#failure ??= { error }
    this.#wake()
  }

  forget(submission: Submission): void {
    this.#submissions.delete(submission.id)
  }

  async #pump(): Promise<void> {
    let number = 0
    let close: (() => unknown) | undefined
    try {
      const tasks = this.#iterate()
      close = () => tasks.return?.()
      for (; !this.#isOver(); number++) {
        if (!this.#hasRoom()) await this.#room()
        else if (number % TURN === TURN - 1) await turn()
        let next = tasks.next()
        if (next instanceof Promise) {
          // A source that has to wait must not keep back what it gave before.
          const flushing = this.#filling.size > 0 ? setImmediate(() => this.#flush()) : undefined
          next = await next
          clearImmediate(flushing)
        }
        if (next.done) {
          close = undefined
          break
        }
        if (this.#isOver()) break
        const sending = this.#add(next.value, number)
        if (sending) await sending
      }
    } catch (error) {
      this.#failure ??= { error }
    }
    if (!this.#stopped) this.#flush()
    this.#sourceEnded = true
    this.#wakeReaderNow()
    try {
      await close?.()
    } catch {
      // It was told that it is over; what it makes of that is its own.
    }
  }

  #iterate(): Iterator<DistributedTaskInput> | AsyncIterator<DistributedTaskInput> {
    const source = this.#source
    if (Symbol.asyncIterator in source) return source[Symbol.asyncIterator]()
    if (Symbol.iterator in source) return source[Symbol.iterator]()
    throw new PoolmeshError('INVALID_INPUT', 'submitMany wants an iterable of tasks, or an async one')
  }

  /** @returns a promise only where the task has to be waited for: a promise a task would cost more than the task */
  #add(input: DistributedTaskInput, number: number): Promise<void> | undefined {
    const task = this.#prepare(input, number)
    this.#progress.submitted++
    this.#outstanding++
    this.#unstoredBytes += task.bytes
    if (this.#engine.isTooLarge(task)) return this.#sendLarge(input, task)
    if (task.alone) {
      const sink = new RunSink(this, task.bytes)
      this.#leave(submissionOf(task, sink, true), sink)
      return undefined
    }
    let filling = this.#filling.get(task.lane)
    if (filling && !filling.batch.takes(task)) {
      this.#close(task.lane, filling)
      filling = undefined
    }
    if (!filling) {
      const batch = new OpenBatch(task.lane, { patient: true, maxTasks: this.#batchSize })
      filling = { batch, sink: new RunSink(this, 0) }
      this.#filling.set(task.lane, filling)
    }
    filling.batch.add(task, filling.sink)
    filling.sink.bytes += task.bytes
    if (filling.batch.isFull) this.#close(task.lane, filling)
    return undefined
  }

  #prepare(input: DistributedTaskInput, number: number): PreparedTask {
    try {
      return this.#engine.prepare(input)
    } catch (cause) {
      if (!(cause instanceof PoolmeshError)) throw cause
      const issues = cause.issues.map(({ path, message }) => ({
        path: path ? `${number}.${path}` : String(number),
        message,
      }))
      throw new PoolmeshError(cause.code, `task number ${number} of the source: ${cause.message}`, issues, {
        cause,
      })
    }
  }

  async #sendLarge(input: DistributedTaskInput, task: PreparedTask): Promise<void> {
    const sink = new RunSink(this, task.bytes)
    const id = task.id ?? newSubmissionId()
    try {
      sink.submission = await this.#engine.sendLarge(input, task, id, sink)
      this.#submissions.set(id, sink.submission)
    } catch (error) {
      sink.fail(id, error)
    }
  }

  #close(lane: Lane, { batch, sink }: Filling): void {
    this.#filling.delete(lane)
    this.#leave(batch.close(), sink)
  }

  #leave(submission: Submission, sink: RunSink): void {
    sink.submission = submission
    this.#submissions.set(submission.id, submission)
    this.#engine.send(submission)
  }

  #flush(): void {
    if (!this.#stopped) for (const [lane, filling] of this.#filling) this.#close(lane, filling)
  }

  #isOver(): boolean {
    return this.#stopped || this.#failure !== null
  }

  #hasRoom(): boolean {
    const inHand = this.#outstanding + this.#ready.length + this.#reading
    return inHand < this.#window && this.#unstoredBytes < MAX_UNSTORED_BYTES
  }

  async #room(): Promise<void> {
    this.#flush()
    while (!this.#hasRoom() && !this.#isOver())
      await new Promise<void>((resolve) => {
        this.#wakePump = resolve
      })
  }

  /** Not for every task: whoever waits for room gets some at once, or the loop would run once a result. */
  #wakeIfRoom(): void {
    const inHand = this.#outstanding + this.#ready.length + this.#reading
    if (inHand <= this.#window - Math.min(this.#batchSize, Math.ceil(this.#window / 4))) this.#wakePumpNow()
  }

  #wakePumpNow(): void {
    this.#wakePump?.()
    this.#wakePump = null
  }

  #wakeReaderNow(): void {
    this.#wakeReader?.()
    this.#wakeReader = null
  }

  #wake(): void {
    this.#wakePumpNow()
    this.#wakeReaderNow()
  }

  #cancelAll(reason: unknown): void {
    if (this.#stopped) return
    this.#failure = { error: reason }
    this.#ready = []
    const ids: string[] = []
    for (const submission of this.#submissions.values())
      for (let i = 0; i < submission.size; i++)
        if (submission.isOpen(i)) ids.push(submission.alone ? submission.id : taskIdInBatch(submission.id, i))
    this.stop()
    const cancelNext = async (): Promise<void> => {
      for (let id = ids.pop(); id !== undefined; id = ids.pop())
        await ask<CancelReply>(this.#engine.nc, SUBJECTS.taskCancel, {
          task_id: id,
          reason: 'the submitter aborted it',
        }).catch(() => {})
    }
    for (let i = 0; i < CANCELS; i++) void cancelNext()
  }

  #report(atEnd: boolean): void {
    if (!this.#onProgress) return
    const now = performance.now()
    if (!atEnd && now < this.#reportAt) return
    this.#reportAt = now + PROGRESS_MS
    this.#onProgress({ ...this.#progress, by_status: { ...this.#progress.by_status } })
  }
}
