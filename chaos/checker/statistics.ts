// Counts that are shown and not judged.
import type { Written } from '../history/events.ts'

/** By then the submitters have filled their windows. */
const FIRST_SAMPLE_MS = 20_000

export class Statistics {
  /** Begun runs that had the number of an earlier run of the same task. */
  sameNumber = 0
  redelivered = 0
  readonly faults = new Map<string, number>()
  readonly failures = new Map<string, number>()
  readonly exits = new Map<string, number>()
  lines = 0
  messages = 0
  refused = 0
  statuses = 0
  cancels = 0
  calmAt: number | null = null
  lastResultAt = 0
  unacknowledged = 0
  endAt = 0
  #inFlight = 0
  /** Tasks in flight, once a second. */
  readonly samples: number[] = []
  #nextSample = FIRST_SAMPLE_MS

  take(event: Written): void {
    this.lines++
    this.endAt = Math.max(this.endAt, event.t)
    if (event.e === 'ack') this.messages++
    else if (event.e === 'refused') this.refused++
    else if (event.e === 'status') this.statuses++
    else if (event.e === 'cancelled') this.cancels++
    else if (event.e === 'stored' && event.again) this.redelivered++
    else if (event.e === 'fault') add(this.faults, `${event.role} ${event.action}`)
    else if (event.e === 'failed') add(this.failures, event.code)
    else if (event.e === 'gone' && !event.asked)
      add(this.exits, `${event.name.replace(/\d+$/, '')}: ${event.how}`)
    else if (event.e === 'calm') this.calmAt = event.t
    else if (event.e === 'drained') this.unacknowledged = event.messages
  }

  /** One more acknowledged task, or one less. */
  inFlight(change: number, at: number): void {
    this.#inFlight += change
    if (this.calmAt !== null || at < this.#nextSample) return
    this.#nextSample = at + 1_000
    this.samples.push(this.#inFlight)
  }
}

export function add(counts: Map<string, number>, key: string, by = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + by)
}
