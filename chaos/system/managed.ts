// A child process that can be killed, paused and started again, and that is started again when it ends by itself.
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import type { Role } from '../history/events.ts'
import type { History } from '../history/writer.ts'
import type { Victim } from '../nemesis/nemesis.ts'

const FIRST_RESTART_MS = 250
const LAST_RESTART_MS = 4_000
/** After SIGTERM; services end themselves after 9.5 s. */
const STOP_MS = 12_000

/** Takes part, and is never hit. */
export type Helper = 'reader' | 'cluster'

export interface ManagedOptions {
  name: string
  role: Role | Helper
  /** What Node runs. */
  args: string[]
  env: NodeJS.ProcessEnv
  logFile: string
  history: History
  onMessage?: (message: unknown) => void
}

export class Managed implements Victim {
  readonly name: string
  readonly role: Role | Helper
  readonly logFile: string
  readonly #options: ManagedOptions
  #child: ChildProcess | null = null
  #exit: Promise<void> = Promise.resolve()
  #asked = false
  #paused = false
  #restart: NodeJS.Timeout | undefined
  #failures = 0

  constructor(options: ManagedOptions) {
    this.#options = options
    this.name = options.name
    this.role = options.role
    this.logFile = options.logFile
  }

  get isUp(): boolean {
    return this.#child !== null && !this.#paused && !this.#asked
  }

  /** Resolves when it says that it is ready, or has ended before: then it is tried again by itself. */
  start(): Promise<void> {
    clearTimeout(this.#restart)
    this.#asked = false
    this.#paused = false
    const { name, args, env, logFile, history } = this.#options
    const log = openSync(logFile, 'a')
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', log, log, 'ipc'] })
    closeSync(log)
    this.#child = child
    const pid = child.pid ?? 0
    const ready = new Promise<void>((resolve) => {
      child.on('message', (message) => {
        if (message === 'ready') {
          this.#failures = 0
          resolve()
        } else this.#options.onMessage?.(message)
      })
      child.once('exit', () => resolve())
    })
    // It may go while something is sent to it.
    child.on('error', () => {})
    this.#exit = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#child = null
        history.write({ e: 'gone', name, pid, how: signal ?? `exit ${code}`, asked: this.#asked })
        if (!this.#asked) {
          const wait = Math.min(LAST_RESTART_MS, FIRST_RESTART_MS * 2 ** this.#failures++)
          this.#restart = setTimeout(() => void this.start(), wait)
        }
        resolve()
      })
    })
    history.write({ e: 'up', name, pid })
    return ready
  }

  async kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.#asked = true
    clearTimeout(this.#restart)
    const child = this.#child
    if (!child) return
    child.kill(signal)
    if (this.#paused) child.kill('SIGCONT')
    const killer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
    await this.#exit
    clearTimeout(killer)
  }

  /** For the end of the whole: nothing is waited for. */
  destroy(): void {
    this.#asked = true
    clearTimeout(this.#restart)
    this.#child?.kill('SIGKILL')
  }

  pause(): void {
    this.#paused = true
    this.#child?.kill('SIGSTOP')
  }

  resume(): void {
    this.#paused = false
    this.#child?.kill('SIGCONT')
  }

  send(message: string): void {
    if (this.#child?.connected) this.#child.send(message, () => {})
  }
}
