// One coarse wheel for all of an executor's deadlines: setting and clearing a timer is O(1) and hashes nothing, and no timer
// of the platform is made for a task. After Varghese and Lauck, "Hashed and Hierarchical Timing Wheels" (1987).

/** What can be due. All of it belongs to the wheel; extend {@link TimedItem}, or spread {@link untimed}. */
export interface Timed {
  /** -1 when no timer runs. */
  timerBucket: number
  /** Neighbours in the ring of the bucket; null when no timer runs. */
  timerNext: Timed | null
  timerPrevious: Timed | null
}

export class TimedItem implements Timed {
  timerBucket = -1
  timerNext: Timed | null = null
  timerPrevious: Timed | null = null
}

export const untimed = (): Timed => new TimedItem()

export class TimerWheel<T extends Timed> {
  /** For each bucket the head of its ring, which is no item. */
  readonly #rings = new Map<number, Timed>()
  readonly #granularityMs: number
  #next: number
  /** The bucket that was set last: tasks that are dispatched together are due together. */
  #lastBucket = -1
  #lastRing: Timed | null = null

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
    const ring = this.#ringOf(bucket)
    const last = ring.timerPrevious as Timed
    item.timerBucket = bucket
    item.timerPrevious = last
    item.timerNext = ring
    last.timerNext = item
    ring.timerPrevious = item
  }

  #ringOf(bucket: number): Timed {
    if (bucket === this.#lastBucket && this.#lastRing) return this.#lastRing
    let ring = this.#rings.get(bucket)
    if (!ring) {
      ring = new TimedItem()
      ring.timerNext = ring
      ring.timerPrevious = ring
      this.#rings.set(bucket, ring)
    }
    const last = this.#lastRing
    if (last?.timerNext === last) this.#rings.delete(this.#lastBucket)
    this.#lastBucket = bucket
    this.#lastRing = ring
    return ring
  }

  clear(item: T): void {
    if (item.timerBucket < 0) return
    const next = item.timerNext as Timed
    const previous = item.timerPrevious as Timed
    previous.timerNext = next
    next.timerPrevious = previous
    // It was alone: of a bucket far ahead nothing is kept but the one that may be set next.
    if (next === previous && next !== this.#lastRing) this.#rings.delete(item.timerBucket)
    item.timerNext = null
    item.timerPrevious = null
    item.timerBucket = -1
  }

  /** Takes out what is due by `now` and gives it to `fire`, in the order of the wheel. */
  advance(now: number, fire: (item: T) => void): void {
    const current = Math.floor(now / this.#granularityMs)
    // After a long pause of the machine, walking the buckets that exist is less than walking the time that passed.
    const span = current - this.#next + 1
    const due =
      span > this.#rings.size
        ? [...this.#rings.keys()].filter((bucket) => bucket <= current).sort((a, b) => a - b)
        : Array.from({ length: Math.max(0, span) }, (_, i) => this.#next + i)
    this.#next = Math.max(this.#next, current + 1)
    for (const bucket of due) {
      const ring = this.#rings.get(bucket)
      if (!ring) continue
      this.#rings.delete(bucket)
      if (this.#lastRing === ring) this.#lastRing = null
      // What `fire` clears leaves the ring, and what it sets goes to a later one.
      for (let item = ring.timerNext as Timed; item !== ring; item = ring.timerNext as Timed) {
        this.clear(item as T)
        fire(item as T)
      }
    }
  }
}
