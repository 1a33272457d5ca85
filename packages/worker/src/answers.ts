import type { PayloadRef } from '@poolmesh/bus'
import { type Answered, completed, completedBriefly, completedByRef, ended, refused } from './answer.ts'
import type { Answering, Reply } from './outbox.ts'
import type { Run } from './run.ts'
import type { BadItem } from './work.ts'

/** Answers since the start, by how they ended. */
export interface Counts {
  completed: number
  failed: number
  timeout: number
  cancelled: number
  refused: number
}

/** Answers each run once to each who asked for it, and counts. */
export class Answers {
  readonly counts: Counts = { completed: 0, failed: 0, timeout: 0, cancelled: 0, refused: 0 }
  readonly #pool: string
  readonly #outbox: Answering

  constructor(pool: string, outbox: Answering) {
    this.#pool = pool
    this.#outbox = outbox
  }

  /** @param json the output, an object */
  completed(run: Run, json: string): void {
    // Only executors send arrays.
    const print = run.replies.every(({ many }) => many) ? completedBriefly : completed
    this.#answer(run, 'completed', print(this.#of(run), json))
  }

  completedByRef(run: Run, ref: PayloadRef): void {
    this.#answer(run, 'completed', completedByRef(this.#of(run), ref))
  }

  failed(run: Run, message: string, code: string): void {
    this.#answer(run, 'failed', ended(this.#of(run), 'failed', message, { code }))
  }

  refused(run: Run, why: string): void {
    this.#answer(run, 'refused', refused(this.#of(run), why))
  }

  /** How the run was ended before its handler was. */
  ended(run: Run): void {
    if (!run.ending) return
    const { status, error } = run.ending
    if (status === 'refused') this.refused(run, error)
    else {
      const reason = status === 'timeout' ? 'RUN_TIMEOUT' : 'CANCELLED'
      this.#answer(run, status, ended(this.#of(run), status, error, { reason }))
    }
  }

  /** Work that makes no sense. In an array only the id says whose answer it is, so without one there is none. */
  bad(bad: BadItem, reply: Reply): void {
    if (reply.many && bad.taskId === null) return
    this.counts.failed++
    const of = { taskId: bad.taskId, attempt: bad.attempt, pool: this.#pool, durationMs: 0 }
    this.#outbox.add(reply, ended(of, 'failed', bad.problem, { code: 'INVALID_INPUT' }))
  }

  #answer(run: Run, outcome: keyof Counts, text: string): void {
    if (run.answered) return
    run.answered = true
    this.counts[outcome]++
    for (const reply of run.replies) this.#outbox.add(reply, text)
  }

  #of(run: Run): Answered {
    return {
      taskId: run.task.task_id,
      attempt: run.attempt,
      pool: this.#pool,
      durationMs: run.startedAt === 0 ? 0 : performance.now() - run.startedAt,
    }
  }
}
