/** Bounded concurrency: at most `limit` pieces of work at a time, the rest in the order in which they came. */
export class Gate {
  readonly #limit: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** How many more would start at once. */
  get free(): number {
    return this.#limit - this.#running
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#limit) this.#running++
    else await new Promise<void>((start) => this.#waiting.push(start))
    try {
      return await work()
    } finally {
      // The place is handed on, so that nobody slips in between.
      const next = this.#waiting.shift()
      if (next) next()
      else this.#running--
    }
  }
}
