// A process: it may be killed, or stand still and go on later with whatever has piled up. Its clocks are its own.
import type { Clock } from './clock.ts'

export class Process {
  readonly name: string
  readonly #clock: Clock
  readonly #wallOffset: number
  readonly #monotonicOffset: number
  readonly #backlog: (() => void)[] = []
  readonly #onExit: (() => void)[] = []
  alive = true
  #pauses = 0

  constructor(clock: Clock, name: string, wallOffset = 0, monotonicOffset = 0) {
    this.#clock = clock
    this.name = name
    this.#wallOffset = wallOffset
    this.#monotonicOffset = monotonicOffset
  }

  /** Milliseconds since the epoch, as this process believes. */
  readonly wall = (): number => 1_700_000_000_000 + this.#clock.now + this.#wallOffset

  readonly monotonic = (): number => this.#clock.now + this.#monotonicOffset

  /** Does it now, or when the process goes on. */
  does(work: () => void): void {
    if (!this.alive) return
    if (this.#pauses > 0) this.#backlog.push(work)
    else work()
  }

  after(ms: number, work: () => void): void {
    this.#clock.after(ms, () => this.does(work))
  }

  every(ms: number, work: () => void): void {
    this.after(ms, () => {
      work()
      this.every(ms, work)
    })
  }

  onExit(work: () => void): void {
    this.#onExit.push(work)
  }

  kill(): void {
    if (!this.alive) return
    this.alive = false
    for (const work of this.#onExit) work()
  }

  pause(): void {
    this.#pauses++
  }

  goOn(): void {
    if (--this.#pauses > 0) return
    for (let work = this.#backlog.shift(); work; work = this.#backlog.shift()) {
      if (!this.alive) return
      work()
      if (this.#pauses > 0) return
    }
  }
}
