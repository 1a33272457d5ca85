// What `submitMany` gives: results in the order in which they come, one at a time or as many as there are.
import type { DistributedTaskInput, DistributedTaskResult, TerminalStatus } from '@poolmesh/types'
import { ManyRun } from './many-run.ts'
import type { Submissions } from './submissions.ts'

export interface SubmitProgress {
  /** Taken from the source. */
  submitted: number
  /** Confirmed by the broker. */
  stored: number
  /** With a result. */
  ended: number
  by_status: Record<TerminalStatus, number>
}

export interface SubmitManyOptions {
  /** Aborted: no more are taken, those without a result are cancelled, and the iteration throws. */
  signal?: AbortSignal | undefined
  /** Called at most every 100 ms while tasks are stored and results come, and once all are stored, and at the end. */
  onProgress?: ((progress: SubmitProgress) => void) | undefined
  /** Tasks in hand at most: without a result, or with one that the reader has not taken. Default 10,000. */
  window?: number | undefined
  /** Tasks in one message at most, 1–200; default 100. */
  batchSize?: number | undefined
}

export type TaskSource = Iterable<DistributedTaskInput> | AsyncIterable<DistributedTaskInput>

/**
 * Nothing is submitted before the iteration begins, and each iteration submits the source again. When the source throws
 * or gives something that is no task, what was submitted before still gives its results, and then the iteration throws.
 * To leave the loop early stops the submitting; what is stored runs on.
 */
export class TaskStream implements AsyncIterable<DistributedTaskResult> {
  readonly #engine: Submissions
  readonly #source: TaskSource
  readonly #options: SubmitManyOptions

  constructor(engine: Submissions, source: TaskSource, options: SubmitManyOptions) {
    this.#engine = engine
    this.#source = source
    this.#options = options
  }

  /** The results in arrays, as they came: spares a promise a result. */
  async *batches(): AsyncGenerator<DistributedTaskResult[], void, void> {
    const run = new ManyRun(this.#engine, this.#source, this.#options)
    try {
      for (;;) {
        const results = await run.take()
        if (!results) return
        yield results
      }
    } finally {
      run.stop()
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<DistributedTaskResult, void, void> {
    const batches = this.batches()
    let batch: DistributedTaskResult[] = []
    let i = 0
    const nextBatch = async (): Promise<IteratorResult<DistributedTaskResult, void>> => {
      const next = await batches.next()
      if (next.done) return { value: undefined, done: true }
      batch = next.value
      i = 1
      return { value: batch[0] as DistributedTaskResult, done: false }
    }
    return {
      next: () => (i < batch.length ? Promise.resolve({ value: batch[i++]!, done: false }) : nextBatch()),
      return: async () => {
        await batches.return()
        return { value: undefined, done: true }
      },
    }
  }
}
