// Flap damping: a pool that changes its status too often is held down until it has been steady for a while. The time
// grows with each relapse, as the ejection time does in Envoy's outlier detection (base × number of ejections, capped)
// and the penalty in BGP's route flap damping (RFC 2439).

export interface FlappingPolicy {
  /** Changes of status within the window that make a pool flapping. */
  changes: number
  windowMs: number
  /** Successes in a row that end a hold-down, over at least its time. */
  holdSuccesses: number
  /** Time that the first hold-down asks for; it doubles with each relapse, up to `windowMs`. */
  firstHoldMs: number
}

/** 2^31 first holds are longer than any window. */
const MAX_LEVEL = 32

/** One pool's changes and hold-down. `now` is in ms on a clock that never goes back. */
export class FlapDamper {
  readonly #policy: FlappingPolicy
  #changes: number[] = []
  #holding = false
  #level = 0
  #steadySince: number | null = null
  #successes = 0
  #endedAt = Number.NEGATIVE_INFINITY

  constructor(policy: FlappingPolicy) {
    this.#policy = policy
  }

  get holding(): boolean {
    return this.#holding
  }

  /** ms that the pool has to be steady before the hold-down ends. */
  get holdMs(): number {
    return Math.min(this.#policy.windowMs, this.#policy.firstHoldMs * 2 ** (this.#level - 1))
  }

  /** Counts one change. @returns whether the pool is flapping with it, and held down from now on */
  changed(now: number): boolean {
    if (this.#holding) return false
    this.remember(now)
    if (this.#changes.length < this.#policy.changes) return false
    this.hold(now)
    return true
  }

  /** Counts a change that somebody else has judged. */
  remember(now: number): void {
    if (this.#holding) return
    this.#changes = this.#changes
      .filter((at) => at > now - this.#policy.windowMs)
      .slice(1 - this.#policy.changes)
    this.#changes.push(now)
  }

  hold(now: number): void {
    if (this.#holding) return
    const relapsed = now - this.#endedAt <= 2 * this.#policy.windowMs
    this.#level = relapsed ? Math.min(this.#level + 1, MAX_LEVEL) : 1
    this.#holding = true
    this.#changes = []
    this.#restart()
  }

  release(now: number): void {
    if (!this.#holding) return
    this.#holding = false
    this.#endedAt = now
    this.#changes = []
  }

  /** A success while held down. @returns whether the hold-down ends with it */
  succeeded(now: number): boolean {
    this.#steadySince ??= now
    this.#successes++
    if (this.#successes < this.#policy.holdSuccesses || now - this.#steadySince < this.holdMs) return false
    this.release(now)
    return true
  }

  /** A failure while held down: the time starts again, and is longer if the pool had seemed steady. */
  failed(): void {
    if (!this.#holding) return
    if (this.#steadySince !== null) this.#level = Math.min(this.#level + 1, MAX_LEVEL)
    this.#restart()
  }

  #restart(): void {
    this.#steadySince = null
    this.#successes = 0
  }
}
