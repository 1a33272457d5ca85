// The last checks of a pool, eight bytes each: 100,000 pools with a hundred checks fit into 80 MB.
import { type HealthStatus, MAX_HISTORY, type PoolHealth } from '@poolmesh/types'

const STATUSES = ['healthy', 'degraded', 'unavailable'] as const satisfies HealthStatus[]

// The second word of a check: 23 bits response time in tenths of a ms, 7 bits error, 2 bits status.
const NO_RESPONSE = 2 ** 23 - 1
const MAX_ERRORS = 2 ** 7
const FIRST_CAPACITY = 4
const MAX_OFFSET_MS = 2 ** 32 - 1

/** The texts of errors, kept once for all pools. Bounded: what comes when it is full is told in general. */
export class ErrorTexts {
  readonly #texts: string[] = ['', 'another error; see the log']
  readonly #codes = new Map<string, number>()

  codeOf(text: string | null): number {
    if (text === null) return 0
    const known = this.#codes.get(text)
    if (known !== undefined) return known
    if (this.#texts.length >= MAX_ERRORS) return 1
    this.#codes.set(text, this.#texts.length)
    return this.#texts.push(text) - 1
  }

  textOf(code: number): string | null {
    return code === 0 ? null : (this.#texts[code] ?? null)
  }
}

export interface Check {
  status: HealthStatus
  /** null where the pool did not answer. */
  responseMs: number | null
  /** ms since the epoch. */
  at: number
  error: string | null
}

/** A ring of the last 100 checks, that grows as they come. */
export class CheckHistory {
  readonly #texts: ErrorTexts
  /** Two words a check: ms since `#since`, and the rest. */
  #words = new Uint32Array(0)
  #since = 0
  #first = 0
  #size = 0

  constructor(texts: ErrorTexts) {
    this.#texts = texts
  }

  get size(): number {
    return this.#size
  }

  add(check: Check): void {
    if (this.#size === 0) this.#since = check.at
    // A clock that was set back, or 49 days of checks: what is kept moves to a new base.
    if (check.at < this.#since || check.at - this.#since > MAX_OFFSET_MS) this.#rebase(check.at)
    if (this.#size === this.#capacity && this.#size < MAX_HISTORY) this.#grow()
    const slot = (this.#first + this.#size) % this.#capacity
    if (this.#size < this.#capacity) this.#size++
    else this.#first = (this.#first + 1) % this.#capacity
    const response =
      check.responseMs === null ? NO_RESPONSE : Math.min(NO_RESPONSE - 1, Math.round(check.responseMs * 10))
    this.#words[2 * slot] = check.at - this.#since
    this.#words[2 * slot + 1] =
      response * 2 ** 9 + this.#texts.codeOf(check.error) * 4 + STATUSES.indexOf(check.status)
  }

  /** The last checks, oldest first. */
  last(limit = MAX_HISTORY): PoolHealth[] {
    const count = Math.min(limit, this.#size)
    return Array.from({ length: count }, (_, i) => this.#read(this.#size - count + i))
  }

  get #capacity(): number {
    return this.#words.length / 2
  }

  #read(index: number): PoolHealth {
    const slot = (this.#first + index) % this.#capacity
    const word = this.#words[2 * slot + 1] as number
    const response = word >>> 9
    return {
      status: STATUSES[word & 3] as HealthStatus,
      response_time: response === NO_RESPONSE ? null : response / 10,
      last_check: new Date(this.#since + (this.#words[2 * slot] as number)).toISOString(),
      error: this.#texts.textOf((word >>> 2) & (MAX_ERRORS - 1)),
    }
  }

  #grow(): void {
    const words = new Uint32Array(2 * Math.min(MAX_HISTORY, Math.max(FIRST_CAPACITY, 2 * this.#size)))
    // Only a full ring grows, and one below its last size never wraps.
    words.set(this.#words)
    this.#words = words
  }

  #rebase(at: number): void {
    const since = Math.min(at, this.#since + (this.#words[2 * this.#first] as number))
    const base = at - since > MAX_OFFSET_MS ? at - MAX_OFFSET_MS : since
    for (let i = 0; i < this.#size; i++) {
      const slot = 2 * ((this.#first + i) % this.#capacity)
      const offset = this.#since + (this.#words[slot] as number) - base
      this.#words[slot] = Math.min(MAX_OFFSET_MS, Math.max(0, offset))
    }
    this.#since = base
  }
}
