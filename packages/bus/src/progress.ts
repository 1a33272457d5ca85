// How far runs are, told to whoever listens on `pool.progress.<name>`. At most once in 250 ms a task, the latest word
// winning, and a bounded number a time for a pool of thousands.
import { progressSubject } from '@poolmesh/types'

const PAUSE_MS = 250
const MAX_AT_ONCE = 200
const MAX_MESSAGE = 1_024

/** Whose progress it is. */
export interface ProgressOf {
  pool: string
  task_id: string
  attempt: number
}

/** @template R what stands for a run while it lasts */
export class Progress<R extends object> implements Disposable {
  readonly #send: (subject: string, text: string) => void
  readonly #describe: (run: R) => ProgressOf
  /** The latest of each run that has not been told. */
  readonly #untold = new Map<R, { fraction: number | null; message: string | null }>()
  #timer: NodeJS.Timeout | null = null

  constructor(send: (subject: string, text: string) => void, describe: (run: R) => ProgressOf) {
    this.#send = send
    this.#describe = describe
  }

  /** What makes no sense is left out: telling of progress never fails a task. */
  report(run: R, fraction: number | null, message: string | undefined): void {
    if (fraction !== null && (typeof fraction !== 'number' || Number.isNaN(fraction))) return
    this.#untold.set(run, {
      fraction: fraction === null ? null : Math.min(1, Math.max(0, fraction)),
      message: typeof message === 'string' ? message.slice(0, MAX_MESSAGE) : null,
    })
    if (!this.#timer) this.#tell()
  }

  /** The run is over: its result says the rest. */
  forget(run: R): void {
    if (this.#untold.size > 0) this.#untold.delete(run)
  }

  #tell(): void {
    this.#timer = null
    let told = 0
    for (const [run, latest] of this.#untold) {
      if (told++ === MAX_AT_ONCE) break
      this.#untold.delete(run)
      const { pool, task_id, attempt } = this.#describe(run)
      this.#send(progressSubject(pool), JSON.stringify({ task_id, attempt, ...latest }))
    }
    // Runs until a pause without news, so that the pause holds between the last word and the next.
    if (told > 0) this.#timer = setTimeout(() => this.#tell(), PAUSE_MS)
  }

  [Symbol.dispose](): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    this.#untold.clear()
  }
}
