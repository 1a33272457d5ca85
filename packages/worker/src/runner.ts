// Runs tasks, no more than `maxWorkers` at a time, and answers for each.
//
// R1  A worker is taken from the start of a run until its handler has really ended, however it was asked to stop.
// R2  A run is answered once to each who asked for it.
// R3  What is not run is said so: full or stopping is POOL_REFUSED, never silence.
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type ClaimCheck,
  isTraced,
  type Logger,
  type PayloadRef,
  type Progress,
  withSpan,
} from '@poolmesh/bus'
import { TimerWheel } from '@poolmesh/core'
import { SlotMap } from '@poolmesh/types'
import { codeOf, messageOf, outputOf } from './answer.ts'
import { Answers, type Counts } from './answers.ts'
import type { TaskHandler } from './definition.ts'
import type { Answering, Reply } from './outbox.ts'
import {
  hasStoredPayload,
  isLarge,
  isUnavailable,
  loadPayload,
  storeOutput,
  withinBounds,
} from './payloads.ts'
import { type Ending, Run, RunContext } from './run.ts'
import type { Work, WorkItem } from './work.ts'

/** How late a deadline may be noticed. */
const TICK_MS = 50
/** A handler that has been told to stop has this long until its task is answered without it. */
const GRACE_MS = 5_000
/** Between two tries to store a large output. */
const STORE_RETRY_MS = 500

export interface RunnerOptions {
  pool: string
  handler: TaskHandler
  maxWorkers: number
  queueLimit: number
  outbox: Answering
  progress: Progress<Run>
  /** Null: no payload comes by reference, and every output goes with its answer. */
  claims: ClaimCheck | null
  /** Bytes that one message may have. */
  maxMessage: () => number
  log: Logger
}

export interface PoolStats extends Counts {
  /** Handlers at work. */
  running: number
  /** Tasks that wait for a worker. */
  queued: number
}

export class Runner implements Disposable {
  readonly #options: RunnerOptions
  readonly #answers: Answers
  /** A run knows its place here, so that taking one out moves the last one there. */
  readonly #running: Run[] = []
  /** By when they came. */
  readonly #queue = new SlotMap<number, Run>()
  #came = 0
  /** By task id; more than one where an earlier attempt has not ended yet. */
  readonly #runs = new SlotMap<string, Run[]>()
  readonly #wheel: TimerWheel<Run>
  readonly #idle: (() => void)[] = []
  #tick: NodeJS.Timeout | null = null
  #filling = false
  /** Whether the program has set OpenTelemetry up: looked at once a message. */
  #traced = false
  #stopping = false

  constructor(options: RunnerOptions) {
    this.#options = options
    this.#answers = new Answers(options.pool, options.outbox)
    this.#wheel = new TimerWheel(performance.now(), TICK_MS)
  }

  get stats(): PoolStats {
    return { running: this.#running.length, queued: this.#queue.size, ...this.#answers.counts }
  }

  accept(work: Work, reply: Reply): void {
    this.#traced = isTraced()
    const now = performance.now()
    for (const item of work.items) this.#accept(item, reply, now)
    for (const bad of work.bad) {
      this.#options.log.warn({ task_id: bad.taskId, problem: bad.problem }, 'work that makes no sense')
      this.#answers.bad(bad, reply)
    }
    if (this.#running.length > 0) this.#tick ??= setInterval(() => this.#onTick(), TICK_MS)
  }

  /** What has not been answered, for whoever takes over from the executor that sent it. */
  *unanswered(): IterableIterator<{ task_id: string; attempt: number; age_ms: number }> {
    const now = performance.now()
    for (const runs of this.#runs.values())
      for (const run of runs)
        if (!run.answered)
          yield {
            task_id: run.task.task_id,
            attempt: run.attempt,
            age_ms: run.startedAt === 0 ? 0 : Math.round(now - run.startedAt),
          }
  }

  /** Nobody waits for that run any more. */
  unwanted(taskId: string, attempt: number): void {
    const run = this.#runs.get(taskId)?.find((one) => one.attempt === attempt)
    if (run) this.#stop(run, { status: 'cancelled', error: 'nobody waits for the run any more' })
  }

  /** Stops every run of that task; a task that is not here is nothing to cancel. */
  cancel(taskId: string, reason: string | null): void {
    const error = reason === null ? 'the task was cancelled' : `the task was cancelled: ${reason}`
    for (const run of [...(this.#runs.get(taskId) ?? [])]) this.#stop(run, { status: 'cancelled', error })
  }

  /** Takes no more, and gives back what has not begun: it runs elsewhere sooner. */
  refuseMore(): void {
    this.#stopping = true
    for (const run of [...this.#queue.values()]) this.#stop(run, { status: 'refused', error: this.#whyNot() })
  }

  /** Tells what runs to stop. */
  abort(): void {
    const error = `the pool ${this.#options.pool} was stopped before the run ended`
    for (const run of [...this.#running]) this.#stop(run, { status: 'refused', error })
  }

  /** Resolves when no handler is at work. */
  idle(): Promise<void> {
    if (this.#running.length === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  /** Answers for handlers that did not stop when they were told to. */
  answerRest(): void {
    for (const run of this.#running) this.#answers.ended(run)
  }

  [Symbol.dispose](): void {
    if (this.#tick) clearInterval(this.#tick)
    this.#tick = null
  }

  #accept({ task, attempt }: WorkItem, reply: Reply, now: number): void {
    const known = this.#runs.get(task.task_id)
    const same = known?.find((run) => run.attempt === attempt)
    if (same && !same.answered) {
      same.alsoFor(reply)
      return
    }
    const run = new Run(task, attempt, reply, now)
    const { maxWorkers, queueLimit } = this.#options
    const full = this.#running.length >= maxWorkers && this.#queue.size >= queueLimit
    // The same run has been answered, but its handler has not stopped: it must not run twice at a time.
    if (full || this.#stopping || same) {
      this.#answers.refused(run, this.#whyNot())
      return
    }
    if (known) known.push(run)
    else this.#runs.set(task.task_id, [run])
    this.#wheel.set(run, run.dueAt)
    if (!this.#filling && this.#queue.size === 0 && this.#running.length < maxWorkers) this.#begin(run)
    else {
      run.queuedAs = ++this.#came
      this.#queue.set(run.queuedAs, run)
      this.#fill()
    }
  }

  #whyNot(): string {
    const { pool } = this.#options
    if (this.#stopping) return `the pool ${pool} is shutting down`
    return `the pool ${pool} is busy: ${this.#running.length} tasks run and ${this.#queue.size} wait`
  }

  /** A loop, and not a start from every end: handlers that do not wait would fill the stack. */
  #fill(): void {
    if (this.#filling) return
    this.#filling = true
    try {
      for (const run of this.#queue.values()) {
        if (this.#running.length >= this.#options.maxWorkers) break
        this.#queue.delete(run.queuedAs)
        this.#begin(run)
      }
    } finally {
      this.#filling = false
    }
  }

  #begin(run: Run): void {
    run.place = this.#running.push(run) - 1
    run.startedAt = performance.now()
    if (hasStoredPayload(run.task)) void this.#load(run)
    else this.#invoke(run)
  }

  async #load(run: Run): Promise<void> {
    try {
      run.task = await loadPayload(this.#options.claims, run.task)
    } catch (error) {
      this.#threw(run, error, isUnavailable(error))
      return
    }
    if (run.ending) this.#over(run)
    else this.#invoke(run)
  }

  readonly #inSpan: TaskHandler = (task, context) => {
    const { handler, pool } = this.#options
    const about = {
      'poolmesh.task.id': task.task_id,
      'poolmesh.task.type': task.task_type,
      'poolmesh.pool': pool,
      'poolmesh.attempt': context.attempt,
    }
    return withSpan('poolmesh.run', task.metadata, about, () => {
      const value = handler(task, context)
      return isThenable(value) ? Promise.resolve(value) : value
    })
  }

  #invoke(run: Run): void {
    const { log, progress } = this.#options
    const handler = this.#traced ? this.#inSpan : this.#options.handler
    let value: unknown
    try {
      value = handler(run.task, new RunContext(run, log, progress))
      if (isThenable(value)) value = Promise.resolve(value)
    } catch (error) {
      this.#threw(run, error)
      return
    }
    if (value instanceof Promise)
      value.then(
        (output: unknown) => this.#returned(run, output),
        (error: unknown) => this.#threw(run, error),
      )
    else this.#returned(run, value)
  }

  #returned(run: Run, value: unknown): void {
    if (run.ending) {
      this.#over(run)
      return
    }
    const { claims, maxMessage } = this.#options
    const output = claims ? outputOf(value) : withinBounds(outputOf(value))
    if (claims && output.ok && isLarge(output.json, maxMessage())) {
      void this.#store(run, output.json, claims)
      return
    }
    if (output.ok) this.#answers.completed(run, output.json)
    else this.#answers.failed(run, output.message, output.code)
    this.#over(run)
  }

  async #store(run: Run, json: string, claims: ClaimCheck): Promise<void> {
    try {
      const ref = await this.#storeOutput(run, json, claims)
      if (run.ending) await claims.delete(ref).catch(() => {})
      else this.#answers.completedByRef(run, ref)
    } catch (error) {
      this.#threw(run, error, isUnavailable(error))
      return
    }
    this.#over(run)
  }

  /** A server that is away is waited for as long as the run may take: the work is done, and would be done again. */
  async #storeOutput(run: Run, json: string, claims: ClaimCheck): Promise<PayloadRef> {
    for (;;) {
      const before = this.#options.outbox.link
      try {
        return await storeOutput(claims, json)
      } catch (error) {
        const { link } = this.#options.outbox
        const wasCut = !before.up || !link.up || link.breaks > before.breaks
        if (!wasCut || !isUnavailable(error) || run.ending) throw error
        await sleep(STORE_RETRY_MS)
      }
    }
  }

  /** @param notTheTask the fault is not the task's: it runs elsewhere, and no attempt is counted */
  #threw(run: Run, error: unknown, notTheTask = false): void {
    if (!run.ending) {
      const fields = { task_id: run.task.task_id, attempt: run.attempt, err: error }
      this.#options.log.warn(fields, 'the task failed')
      if (notTheTask) this.#answers.refused(run, messageOf(error))
      else this.#answers.failed(run, messageOf(error), codeOf(error))
    }
    this.#over(run)
  }

  /** The handler has ended: the worker is free (R1). */
  #over(run: Run): void {
    this.#answers.ended(run)
    this.#leave(run)
    this.#forget(run)
    if (this.#queue.size > 0) this.#fill()
    if (this.#running.length === 0) for (const resolve of this.#idle.splice(0)) resolve()
  }

  #leave(run: Run): void {
    if (run.place < 0) return
    const last = this.#running.pop() as Run
    if (last !== run) {
      this.#running[run.place] = last
      last.place = run.place
    }
    run.place = -1
  }

  #forget(run: Run): void {
    this.#wheel.clear(run)
    this.#options.progress.forget(run)
    const runs = this.#runs.get(run.task.task_id) ?? []
    if (runs.length > 1) runs.splice(runs.indexOf(run), 1)
    else this.#runs.delete(run.task.task_id)
  }

  #onTick(): void {
    if (this.#running.length === 0) {
      this[Symbol.dispose]()
      return
    }
    this.#wheel.advance(performance.now(), (run) => {
      if (run.ending) {
        const fields = { task_id: run.task.task_id, attempt: run.attempt }
        this.#options.log.warn(fields, 'the handler runs on, though it was told to stop')
        this.#answers.ended(run)
      } else this.#stop(run, { status: 'timeout', error: `the run took longer than ${run.task.timeout} s` })
    })
  }

  /** A run that waits ends at once. One that has begun is told to stop, and answered when it has or when it does not. */
  #stop(run: Run, ending: Ending): void {
    if (run.ending) return
    run.end(ending)
    if (this.#queue.delete(run.queuedAs)) {
      this.#answers.ended(run)
      this.#forget(run)
    } else this.#wheel.set(run, performance.now() + GRACE_MS)
  }
}

const isThenable = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
