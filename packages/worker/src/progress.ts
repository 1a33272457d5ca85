// How far runs are, told to whoever listens on `pool.progress.<name>`. At most once in 250 ms a task, the latest word
// winning, and a bounded number a time for a pool of thousands.
import type { Send } from './outbox.ts'

const PAUSE_MS = 250
const MAX_AT_ONCE = 200
const MAX_MESSAGE = 1_024

/** `{task_id, attempt, fraction, message}` */
export const progressSubject = (pool: string): string => `pool.progress.${pool}`

interface Reporter {
  readonly task: { readonly task_id: string }
  readonly attempt: number
}

export class Progress implements Disposable {
  readonly #subject: string
  readonly #send: Send
  /** The latest of each run that has not been told. */
  readonly #untold = new Map<Reporter, { fraction: number; message: string | null }>()
  #timer: NodeJS.Timeout | null = null

  constructor(pool: string, send: Send) {
    this.#subject = progressSubject(pool)
    this.#send = send
  }

  /** What makes no sense is left out: telling of progress never fails a task. */
  report(run: Reporter, fraction: number, message: string | undefined): void {
    if (typeof fraction !== 'number' || Number.isNaN(fraction)) return
    this.#untold.set(run, {
      fraction: Math.min(1, Math.max(0, fraction)),
      message: typeof message === 'string' ? message.slice(0, MAX_MESSAGE) : null,
    })
    if (!this.#timer) this.#tell()
  }

  /** The run is over: its result says the rest. */
  forget(run: Reporter): void {
    this.#untold.delete(run)
  }

  #tell(): void {
    this.#timer = null
    let told = 0
    for (const [run, latest] of this.#untold) {
      if (told++ === MAX_AT_ONCE) break
      this.#untold.delete(run)
      this.#send(
        this.#subject,
        JSON.stringify({ task_id: run.task.task_id, attempt: run.attempt, ...latest }),
      )
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
