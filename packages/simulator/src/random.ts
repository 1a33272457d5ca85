/** A seeded source of randomness (mulberry32): the same seed gives the same numbers everywhere. */
export class Random {
  #state: number

  /** @param salt tells sources of one seed apart, so that leaving one fault out does not change the others */
  constructor(seed: number, salt = 0) {
    this.#state = (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(salt + 1, 0xc2b2ae35)) >>> 0
    this.next()
    this.next()
  }

  /** 0 ≤ x < 1 */
  readonly next = (): number => {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  /** An integer, both ends included. */
  int(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1))
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.next() * items.length)] as T
  }

  /** Mostly near `from`, sometimes as much as `to`. */
  skewed(from: number, to: number): number {
    return Math.round(from + (to - from) * this.next() ** 3)
  }
}

/** A number for a text: what a run does depends on its name alone, whatever else happens. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
