// The circuit breaker of one server: while it is open the server is left alone, then one try decides.

/** After the first failure; twice as long after each further one in a row. */
const FIRST_MS = 1_000
const MAX_MS = 60_000

/** `now` is in milliseconds of a clock that never goes back. */
export class Breaker {
  readonly #random: () => number
  #failures = 0
  #until = 0

  /** @param random from 0 to 1, so that several processes do not come back at the same moment */
  constructor(random: () => number = Math.random) {
    this.#random = random
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures
  }

  failed(now: number): void {
    const full = Math.min(MAX_MS, FIRST_MS * 2 ** this.#failures)
    this.#failures++
    this.#until = now + full * (0.5 + this.#random() / 2)
  }

  succeeded(): void {
    this.#failures = 0
    this.#until = 0
  }

  /** Milliseconds until the next try; 0: it may be asked. */
  waitMs(now: number): number {
    return Math.max(0, this.#until - now)
  }
}
