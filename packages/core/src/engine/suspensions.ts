// An executor's own, short ejection of a pool that would not take work: what it was sent came back at once. The health
// monitor decides about health; this only keeps the same task from being thrown at the same wall. Backoff doubles from
// 100 ms to 5 s and starts anew once the pool has answered.
import type { PoolTable } from '../routing/index.ts'
import { type Timed, type TimerWheel, untimed } from './timers.ts'

const FIRST_MS = 100
const MAX_MS = 5_000
const MAX_ASKED_MS = 3_600_000

interface Suspension extends Timed {
  readonly kind: 'suspension'
  readonly pool: string
  times: number
  active: boolean
}

export class Suspensions {
  readonly #byPool = new Map<string, Suspension>()
  readonly #table: PoolTable
  readonly #wheel: TimerWheel<Timed>
  readonly #now: () => number

  constructor(table: PoolTable, wheel: TimerWheel<Timed>, now: () => number) {
    this.#table = table
    this.#wheel = wheel
    this.#now = now
  }

  /** @param atLeastMs what the pool itself asks for; an hour at most, and what is no number is left out */
  suspend(pool: string, atLeastMs?: unknown): void {
    const suspension = this.#byPool.get(pool) ?? {
      kind: 'suspension',
      pool,
      times: 0,
      active: false,
      ...untimed(),
    }
    this.#byPool.set(pool, suspension)
    if (suspension.active) return
    suspension.active = true
    const own = Math.min(MAX_MS, FIRST_MS * 2 ** suspension.times++)
    const asked = typeof atLeastMs === 'number' && atLeastMs > 0 ? Math.min(atLeastMs, MAX_ASKED_MS) : 0
    this.#wheel.set(suspension, this.#now() + Math.max(own, asked))
    this.#table.setSuspended(pool, true)
  }

  /** Its time is over: the next task sent there is the probe. */
  over(pool: string): void {
    const suspension = this.#byPool.get(pool)
    if (!suspension) return
    suspension.active = false
    this.#table.setSuspended(pool, false)
  }

  /** The pool is there again or gone for good. */
  clear(pool: string): void {
    const suspension = this.#byPool.get(pool)
    if (!suspension) return
    this.#byPool.delete(pool)
    this.#wheel.clear(suspension)
    if (suspension.active) this.#table.setSuspended(pool, false)
  }
}
