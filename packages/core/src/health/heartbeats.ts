/** Which pools have stopped sending heartbeats. All have the same interval, so the order of arrival is the order of expiry. */

export interface HeartbeatPolicy {
  intervalMs: number
  /** Heartbeats missed in a row after which a pool counts as lost. */
  missed: number
}

/** A heartbeat is late when it is 0.4 intervals overdue: more than a busy machine delays one. */
const LATE_AFTER_INTERVALS = 1.4

export class HeartbeatWatch {
  readonly #lateMs: number
  readonly #missedMs: number
  /** Last heartbeat by pool, oldest first: a Map keeps the order in which keys were set. */
  readonly #onTime = new Map<string, number>()
  readonly #late = new Map<string, number>()

  constructor(policy: HeartbeatPolicy) {
    this.#missedMs = policy.intervalMs * policy.missed
    this.#lateMs = Math.min(policy.intervalMs * LATE_AFTER_INTERVALS, this.#missedMs)
  }

  beat(pool: string, now: number): void {
    this.forget(pool)
    this.#onTime.set(pool, now)
  }

  forget(pool: string): void {
    this.#onTime.delete(pool)
    this.#late.delete(pool)
  }

  /** Whether the pool has sent heartbeats and the next one is late, but not yet missed for good. */
  isLate(pool: string): boolean {
    return this.#late.has(pool)
  }

  /** ms since the last heartbeat; null: none was heard, or they count as missed. */
  age(pool: string, now: number): number | null {
    const at = this.#onTime.get(pool) ?? this.#late.get(pool)
    return at === undefined ? null : Math.max(0, now - at)
  }

  /** Pools whose next heartbeat is late, but not yet missed for good. */
  get late(): number {
    return this.#late.size
  }

  /** Nothing was heard until `now`, through no fault of the pools: all of them get their full time again. */
  resume(now: number): void {
    for (const pool of [...this.#late.keys(), ...this.#onTime.keys()]) this.beat(pool, now)
  }

  /** Pools that became late or lost since the last sweep; a lost one is forgotten until its next heartbeat. */
  sweep(now: number): { late: string[]; missed: string[] } {
    const late: string[] = []
    const missed: string[] = []
    for (const [pool, at] of this.#onTime) {
      if (at + this.#lateMs > now) break
      this.#onTime.delete(pool)
      this.#late.set(pool, at)
      late.push(pool)
    }
    for (const [pool, at] of this.#late) {
      if (at + this.#missedMs > now) break
      this.#late.delete(pool)
      missed.push(pool)
    }
    return { late, missed }
  }
}
