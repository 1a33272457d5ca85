export interface RecentLimits {
  ms: number
  count: number
  bytes: number
}

/** The last of what came, bounded in age, number and bytes; the oldest goes first. */
export class Recent<T> {
  readonly #limits: RecentLimits
  readonly #items = new Map<number, { item: T; bytes: number; at: number }>()
  #bytes = 0
  #next = 0

  constructor(limits: RecentLimits) {
    this.#limits = limits
  }

  /** @param now ms of a monotonic clock */
  add(item: T, bytes: number, now: number): void {
    this.#items.set(this.#next++, { item, bytes, at: now })
    this.#bytes += bytes
    const { ms, count, bytes: most } = this.#limits
    for (const [key, oldest] of this.#items) {
      if (this.#items.size <= count && this.#bytes <= most && now - oldest.at <= ms) return
      this.#items.delete(key)
      this.#bytes -= oldest.bytes
    }
  }

  /** All of it, oldest first; nothing is left. */
  take(now: number): T[] {
    const items = [...this.#items.values()].filter(({ at }) => now - at <= this.#limits.ms)
    this.#items.clear()
    this.#bytes = 0
    return items.map(({ item }) => item)
  }
}
