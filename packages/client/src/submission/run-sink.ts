import type { DistributedTaskResult } from '@poolmesh/types'
import type { ManyRun } from './many-run.ts'
import type { Submission, TaskSink } from './submission.ts'

/** Tells a run of what happens to one message of its tasks; one object for all of them. */
export class RunSink implements TaskSink {
  submission: Submission | null = null
  bytes: number
  readonly #run: ManyRun
  #unstored = true

  constructor(run: ManyRun, bytes: number) {
    this.#run = run
    this.bytes = bytes
  }

  stored(): void {
    this.#release()
    this.#run.hasStored()
  }

  settle(result: DistributedTaskResult): void {
    this.#run.settled(result)
    this.#forgetIfOver()
  }

  fail(_taskId: string, error: unknown): void {
    this.#release()
    this.#run.failed(error)
    this.#forgetIfOver()
  }

  #release(): void {
    if (!this.#unstored) return
    this.#unstored = false
    this.#run.release(this.bytes)
  }

  #forgetIfOver(): void {
    if (this.submission?.open === 0) this.#run.forget(this.submission)
  }
}
