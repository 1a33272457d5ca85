// When each pool is checked next: spread over the interval with jitter, so that checks never bunch; a failing pool
// sooner, with exponential backoff up to the interval.
import { type HeapItem, IntrusiveHeap } from '../engine/heap.ts'

/** What is checked. These fields belong to the schedule. */
export interface Scheduled extends HeapItem {
  dueAt: number
  /** Checks in a row that did not find the pool healthy. */
  unhealthyChecks: number
  startedAt: number
  /** Asked for while it was under way. */
  again: boolean
  /** Next success, its time is drawn anew: it may have come, or recovered, together with many others. */
  apart: boolean
}

export const newlyScheduled = (): Scheduled => ({
  heapIndex: -1,
  dueAt: 0,
  unhealthyChecks: 0,
  startedAt: Number.NEGATIVE_INFINITY,
  again: false,
  apart: true,
})

/** First delay after a failed check. */
const FIRST_RETRY_MS = 1_000
/** The part of a delay that jitter may take away. */
const JITTER = 0.1

export class CheckSchedule<T extends Scheduled> {
  readonly #intervalMs: number
  readonly #firstRetryMs: number
  readonly #random: () => number
  readonly #heap = new IntrusiveHeap<T>((a, b) => a.dueAt < b.dueAt)

  /** @param random uniform in [0, 1) */
  constructor(intervalMs: number, random: () => number) {
    this.#intervalMs = intervalMs
    this.#firstRetryMs = Math.min(FIRST_RETRY_MS, intervalMs)
    this.#random = random
  }

  /** A pool that was there before us: anywhere in the interval, but for its start, when others may be starting too. */
  addKnown(item: T, now: number): void {
    this.#at(item, now + this.#intervalMs * (0.2 + 0.8 * this.#random()))
  }

  /** A pool that has just come: within the first second. */
  addNew(item: T, now: number): void {
    this.#at(item, now + this.#firstRetryMs * (0.5 + 0.5 * this.#random()))
  }

  /** As soon as may be: checks of one pool keep a quarter of the first retry's delay between them. */
  hurry(item: T, now: number): void {
    if (item.heapIndex < 0) {
      item.again = true
      return
    }
    this.#at(item, Math.min(item.dueAt, Math.max(now, item.startedAt + this.#firstRetryMs / 4)))
  }

  /** Something speaks against the pool: checked as soon as after a first failed check. */
  retry(item: T, now: number): void {
    if (item.heapIndex >= 0) this.#at(item, Math.min(item.dueAt, now + this.#firstRetryMs))
  }

  /** Takes the pool that is due out of the schedule; `done` or `remove` says what comes of it. */
  takeDue(now: number): T | undefined {
    const first = this.#heap.peek()
    if (!first || first.dueAt > now) return undefined
    this.start(first, now)
    return first
  }

  /** Checked now, due or not. */
  start(item: T, now: number): void {
    this.remove(item)
    item.startedAt = now
  }

  /** The check has ended. @param healthy whether it found the pool healthy */
  done(item: T, healthy: boolean, now: number): void {
    item.unhealthyChecks = healthy ? 0 : item.unhealthyChecks + 1
    const retryMs = this.#firstRetryMs * 2 ** Math.min(item.unhealthyChecks - 1, 31)
    let delay = Math.min(this.#intervalMs, healthy ? this.#intervalMs : retryMs)
    if (healthy && item.apart) delay *= 0.5 + 0.5 * this.#random()
    item.apart = !healthy
    this.#at(item, now + delay * (1 - JITTER * this.#random()))
    if (!item.again) return
    item.again = false
    this.hurry(item, now)
  }

  remove(item: T): void {
    if (item.heapIndex >= 0) this.#heap.remove(item)
  }

  /** When the next pool is due; Infinity when there is none. */
  get nextAt(): number {
    return this.#heap.peek()?.dueAt ?? Number.POSITIVE_INFINITY
  }

  #at(item: T, dueAt: number): void {
    item.dueAt = dueAt
    if (item.heapIndex < 0) this.#heap.push(item)
    else this.#heap.moved(item)
  }
}
