// What is told of a run, with its name and its number on it.
import type { Answer, Run } from '@poolmesh/core'
import type { PoolAnswer } from '@poolmesh/types'
import type { RunEvents } from '../adapter.ts'

export class Telling {
  readonly #run: Run
  readonly #events: RunEvents

  constructor(run: Run, events: RunEvents) {
    this.#run = run
    this.#events = events
  }

  #about(): [pool: string, taskId: string, attempt: number] {
    return [this.#run.pool.name, this.#run.entry.task.task_id, this.#run.attempt]
  }

  answer(answer: Answer): void {
    this.#events.answer(...this.#about(), answer)
  }

  #said(answer: PoolAnswer): void {
    this.answer({ kind: 'answer', answer })
  }

  failed(error: string): void {
    this.#said({ status: 'failed', error })
  }

  /** It was not begun. @param retry_after_ms for how long the pool is to rest at least */
  refused(error: string, retry_after_ms: number | null): void {
    this.#said({ status: 'failed', error, metadata: { reason: 'POOL_REFUSED', retry_after_ms } })
  }

  gone(): void {
    this.#events.gone(...this.#about())
  }

  lost(problem: string): void {
    this.#events.lost(...this.#about(), problem)
    // Nobody asks for the end of one that was given up before.
    if (this.#run.abandoned) this.cancelled()
  }

  /** Nothing of it runs any more: its slot is free. */
  cancelled(): void {
    this.#said({ status: 'cancelled' })
  }
}
