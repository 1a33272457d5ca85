// Nobody tells a submitter that its task has begun to run; whoever wants to know asks, less often as time goes by.
import type { TaskStatusReply } from '@poolmesh/types'

const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 2_000

export class StatusWatch implements Disposable {
  #timer: NodeJS.Timeout | undefined
  #stopped = false
  #pauseMs = FIRST_PAUSE_MS
  readonly #status: () => Promise<TaskStatusReply>
  readonly #tell: (status: TaskStatusReply) => void

  constructor(status: () => Promise<TaskStatusReply>, tell: (status: TaskStatusReply) => void) {
    this.#status = status
    this.#tell = tell
    void this.#ask()
  }

  async #ask(): Promise<void> {
    const status = await this.#status().catch(() => null)
    if (this.#stopped) return
    if (status) this.#tell(status)
    this.#timer = setTimeout(() => void this.#ask(), this.#pauseMs)
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs * 1.5)
  }

  [Symbol.dispose](): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }
}
