export interface RecentLimits {
  ms: number
  count: number
  bytes: number
}

interface Kept<T> {
  item: T
  bytes: number
  at: number
}

/** The last of what came, bounded in age, number and bytes; the oldest goes first. */
export class Recent<T> {
  readonly #limits: RecentLimits
  #kept: (Kept<T> | undefined)[] = []
  /** Before it there is nothing any more. */
  #first = 0
  #bytes = 0

  constructor(limits: RecentLimits) {
    this.#limits = limits
  }

  /** @param now ms of a monotonic clock */
  add(item: T, bytes: number, now: number): void {
    this.#kept.push({ item, bytes, at: now })
    this.#bytes += bytes
    const { ms, count, bytes: most } = this.#limits
    for (let oldest = this.#kept[this.#first]; oldest; oldest = this.#kept[this.#first]) {
      if (this.#kept.length - this.#first <= count && this.#bytes <= most && now - oldest.at <= ms) break
      this.#kept[this.#first++] = undefined
      this.#bytes -= oldest.bytes
    }
    if (this.#first <= this.#kept.length / 2) return
    this.#kept = this.#kept.slice(this.#first)
    this.#first = 0
  }

  /** All of it, oldest first; nothing is left. */
  take(now: number): T[] {
    const kept = this.#kept.slice(this.#first) as Kept<T>[]
    this.#kept = []
    this.#first = 0
    this.#bytes = 0
    return kept.filter(({ at }) => now - at <= this.#limits.ms).map(({ item }) => item)
  }
}
