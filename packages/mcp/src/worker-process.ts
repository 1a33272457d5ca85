import { type ChildProcess, spawn } from 'node:child_process'
import type { Guard } from './guard.ts'

const FIRST_PAUSE_MS = 500
const MAX_PAUSE_MS = 30_000
/** A process that ran for so long has started well: the next pause is the first again. */
const STEADY_MS = 30_000
/** For its running tasks, after SIGTERM; then it is killed. Less than a service has to stop. */
export const DRAIN_MS = 8_000

/** One process that is started again, after a pause that grows, until it is told to stop. */
export class WorkerProcess {
  readonly pool: string
  readonly #start: () => ChildProcess
  readonly #guard: Guard
  #child: ChildProcess | null = null
  #timer: NodeJS.Timeout | null = null
  #stopped: Promise<void> | null = null
  #pauseMs = FIRST_PAUSE_MS
  #restarts = 0

  constructor(
    pool: string,
    { command, args }: { command: string; args: readonly string[] },
    env: Record<string, string>,
    guard: Guard,
  ) {
    this.pool = pool
    this.#guard = guard
    // Its output would mix with ours, and with the protocol on standard output.
    this.#start = () => spawn(command, args, { env, stdio: 'ignore' })
    this.#run()
  }

  state(): { pool: string; pid: number | null; restarts: number; state: string } {
    const running = this.#child?.pid !== undefined
    const state = this.#stopped ? 'draining' : running ? 'running' : 'restarting'
    return { pool: this.pool, pid: this.#child?.pid ?? null, restarts: this.#restarts, state }
  }

  #run(): void {
    const began = Date.now()
    const child = this.#start()
    this.#child = child
    const { pid } = child
    if (pid !== undefined) this.#guard.add(pid)
    let over = false
    // A command that is not there tells `error`, and no `exit`.
    const ended = (): void => {
      if (over) return
      over = true
      if (pid !== undefined) this.#guard.delete(pid)
      this.#child = null
      if (this.#stopped) return
      if (Date.now() - began > STEADY_MS) this.#pauseMs = FIRST_PAUSE_MS
      this.#timer = setTimeout(() => {
        this.#restarts++
        this.#run()
      }, this.#pauseMs)
      this.#pauseMs = Math.min(MAX_PAUSE_MS, this.#pauseMs * 2)
    }
    child.once('exit', ended)
    child.once('error', ended)
  }

  /** Resolves when the process is gone. */
  stop(): Promise<void> {
    this.#stopped ??= this.#end()
    return this.#stopped
  }

  async #end(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer)
    const child = this.#child
    if (!child || child.pid === undefined) return
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.kill('SIGTERM')
    const killing = setTimeout(() => child.kill('SIGKILL'), DRAIN_MS)
    await gone
    clearTimeout(killing)
  }
}
