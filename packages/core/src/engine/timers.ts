// One coarse wheel for all of an executor's deadlines: setting and clearing a timer is O(1), and no timer of the
// platform is made for a task. After Varghese and Lauck, "Hashed and Hierarchical Timing Wheels" (1987).

/** What can be due. `timerBucket` belongs to the wheel: -1 when no timer runs. */
export interface Timed {
  timerBucket: number
}

export class TimerWheel<T extends Timed> {
  readonly #buckets = new Map<number, Set<T>>()
  readonly #granularityMs: number
  #next: number

  /** @param now ms; timers fire up to one granularity late, never early */
  constructor(now: number, granularityMs = 25) {
    this.#granularityMs = granularityMs
    this.#next = Math.floor(now / granularityMs)
  }

  /** Sets the item's one timer, replacing the one it had. */
  set(item: T, at: number): void {
    const bucket = Math.max(Math.ceil(at / this.#granularityMs), this.#next)
    if (item.timerBucket === bucket) return
    this.clear(item)
    item.timerBucket = bucket
    const items = this.#buckets.get(bucket)
    if (items) items.add(item)
    else this.#buckets.set(bucket, new Set([item]))
  }

  clear(item: T): void {
    if (item.timerBucket < 0) return
    const items = this.#buckets.get(item.timerBucket)
    item.timerBucket = -1
    if (!items) return
    items.delete(item)
  }

  /** Takes out what is due by `now` and gives it to `fire`, in the order of the wheel. */
  advance(now: number, fire: (item: T) => void): void {
    const current = Math.floor(now / this.#granularityMs)
    // After a long pause of the machine, walking the buckets that exist is less than walking the time that passed.
    const span = current - this.#next + 1
    const due =
      span > this.#buckets.size
        ? [...this.#buckets.keys()].filter((bucket) => bucket <= current).sort((a, b) => a - b)
        : Array.from({ length: Math.max(0, span) }, (_, i) => this.#next + i)
    this.#next = Math.max(this.#next, current + 1)
    for (const bucket of due) {
      const items = this.#buckets.get(bucket)
      if (!items) continue
      this.#buckets.delete(bucket)
      for (const item of items) {
        item.timerBucket = -1
        fire(item)
      }
    }
  }
}
