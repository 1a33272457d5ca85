// When a pool that drains may be taken out: the executors own the tasks, so they say so.
//
// Invariants:
// 1. A pool is taken out only when every executor that lives has said, of this registration, that it has no task there.
// 2. With no executor there are no tasks in flight that anybody would see to an end: the pool goes after a silence.

/** An executor that has not announced itself for so long is gone; executors do it once a second. */
const LIVE_MS = 3_000
/** With no word of any executor for so long, there is none. Longer than it takes another to take over. */
const NOBODY_MS = 15_000
/** More executors than anybody runs; a bound for what a stranger on the bus can make us keep. */
const MAX_EXECUTORS = 1_000

/** Times are milliseconds of one monotonic clock, given by the caller. */
export class DrainLedger {
  /** By executor, when it was heard last. */
  readonly #executors = new Map<string, number>()
  readonly #pools = new Map<string, { registeredAt: string; done: Set<string> }>()
  #heardAny: number

  /** @param now since when executors are listened to */
  constructor(now: number) {
    this.#heardAny = now
  }

  executorSeen(executor: string, now: number): void {
    this.#heardAny = now
    if (this.#executors.has(executor) || this.#executors.size < MAX_EXECUTORS)
      this.#executors.set(executor, now)
  }

  /** The executor has none of its tasks left in the pool. Only for pools that do drain, so that there is an end to them. */
  drained(pool: string, registeredAt: string, executor: string, now: number): void {
    this.executorSeen(executor, now)
    const known = this.#pools.get(pool)
    if (known?.registeredAt === registeredAt) known.done.add(executor)
    else this.#pools.set(pool, { registeredAt, done: new Set([executor]) })
  }

  /** Whether the pool may go now. */
  mayGo(pool: string, registeredAt: string, now: number): boolean {
    const live = [...this.#executors].filter(([, heard]) => now - heard <= LIVE_MS)
    if (live.length === 0) return now - this.#heardAny >= NOBODY_MS
    const known = this.#pools.get(pool)
    return known?.registeredAt === registeredAt && live.every(([executor]) => known.done.has(executor))
  }

  /** Drops executors that are gone, and pools that drain no longer. */
  prune(draining: ReadonlySet<string>, now: number): void {
    for (const [executor, heard] of this.#executors)
      if (now - heard > LIVE_MS) this.#executors.delete(executor)
    for (const pool of this.#pools.keys()) if (!draining.has(pool)) this.#pools.delete(pool)
  }
}
