// Work on the same pool goes one after the other, work on different pools side by side, but only so much at once.
import { PoolmeshError } from '@poolmesh/types'

/** JetStream refuses a stream's writes beyond 10,000 that it has not got to; two registries share that with room to spare. */
const MAX_RUNNING = 2_000
/** Requests that wait here; a burst of 100,000 is no reason to refuse any. */
const MAX_WAITING = 200_000
const CUT_AFTER = 4_096

export class InOrder {
  readonly #tails = new Map<string, Promise<void>>()
  readonly #waiting: (() => void)[] = []
  readonly #maxRunning: number
  readonly #maxPending: number
  #next = 0
  #running = 0
  #pending = 0

  constructor(maxRunning = MAX_RUNNING, maxWaiting = MAX_WAITING) {
    this.#maxRunning = maxRunning
    this.#maxPending = maxRunning + maxWaiting
  }

  /** @throws PoolmeshError OVERLOADED when too much waits */
  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    if (this.#pending >= this.#maxPending)
      throw new PoolmeshError(
        'OVERLOADED',
        `${this.#pending} changes of pools wait to be stored: try again later`,
      )
    this.#pending++
    const before = this.#tails.get(name)
    const result = this.#after(before, work)
    const tail = result.then(
      () => {},
      () => {},
    )
    this.#tails.set(name, tail)
    try {
      return await result
    } finally {
      this.#pending--
      if (this.#tails.get(name) === tail) this.#tails.delete(name)
    }
  }

  /** Resolves when all that was begun has ended. */
  async idle(): Promise<void> {
    while (this.#tails.size > 0) await Promise.all(this.#tails.values())
  }

  async #after<T>(before: Promise<void> | undefined, work: () => Promise<T>): Promise<T> {
    if (before !== undefined) await before
    if (this.#running >= this.#maxRunning) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#running++
    try {
      return await work()
    } finally {
      this.#handOver()
    }
  }

  /** The slot goes to whoever waits the longest. */
  #handOver(): void {
    const next = this.#waiting[this.#next]
    if (next === undefined) {
      this.#running--
      return
    }
    this.#next++
    // The list is cut now and then and not shifted each time, which would cost its length.
    if (this.#next === this.#waiting.length || this.#next === CUT_AFTER) {
      this.#waiting.splice(0, this.#next)
      this.#next = 0
    }
    next()
  }
}
