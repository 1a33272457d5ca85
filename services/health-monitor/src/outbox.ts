// Events that have to be told. A verdict and its event are two writes, and a monitor may die in between; so every monitor
// that sees a verdict of another waits for its event and tells it when it does not come. The event's id is made from
// the pool and the verdict's revision and is its Nats-Msg-Id: the stream stores it once, whoever tells it.
import { headers } from '@nats-io/transport-node'
import type { Publisher, StoredHealth } from '@poolmesh/bus'
import { type PoolEvent, SUBJECTS } from '@poolmesh/types'

/** How long another monitor may take to tell its own event. */
const GRACE_MS = 10_000
/** Longer than a publish waits for its answer. */
const AGAIN_MS = 6_000
const AFTER_REFUSAL_MS = 1_000
/** Ids that were heard are remembered longer than the grace, since a verdict may be heard after its event. */
const REMEMBER_MS = 4 * GRACE_MS
/** More than this is never waiting unless the broker is gone for long; then the oldest are given up. */
const MAX_WAITING = 100_000

export interface Telling {
  subject: typeof SUBJECTS.poolUnhealthy | typeof SUBJECTS.poolRecovered
  event: PoolEvent
}

/** The event that a stored verdict stands for; null for one that is not told. */
export function eventOf(name: string, health: StoredHealth, revision: number): Telling | null {
  if (health.previous_status == null) return null
  return {
    subject: health.status === 'healthy' ? SUBJECTS.poolRecovered : SUBJECTS.poolUnhealthy,
    event: {
      event_id: `health.${name}.${revision}`,
      at: health.at,
      pool: name,
      reason: health.reason,
      previous_status: health.previous_status,
      status: health.status,
    },
  }
}

export class EventOutbox {
  readonly #publisher: Publisher
  readonly #waiting = new Map<string, Telling & { dueAt: number }>()
  /** When each id was heard, oldest first. */
  readonly #heard = new Map<string, number>()

  constructor(publisher: Publisher) {
    this.#publisher = publisher
  }

  get size(): number {
    return this.#waiting.size
  }

  /** Told now, and again until it is stored. */
  tell(telling: Telling, now: number): void {
    this.#wait(telling, now + AGAIN_MS)
    this.#send(telling)
  }

  /** Somebody else is to tell it. */
  expect(telling: Telling, now: number): void {
    const id = telling.event.event_id
    if (!this.#heard.has(id) && !this.#waiting.has(id)) this.#wait(telling, now + GRACE_MS)
  }

  heard(id: string, now: number): void {
    this.#waiting.delete(id)
    this.#heard.set(id, now)
  }

  sweep(now: number): void {
    for (const waiting of this.#waiting.values())
      if (waiting.dueAt <= now) {
        waiting.dueAt = now + AGAIN_MS
        this.#send(waiting)
      }
    for (const [id, at] of this.#heard) {
      if (at + REMEMBER_MS > now) break
      this.#heard.delete(id)
    }
  }

  #wait(telling: Telling, dueAt: number): void {
    this.#waiting.set(telling.event.event_id, { ...telling, dueAt })
    if (this.#waiting.size <= MAX_WAITING) return
    const [oldest] = this.#waiting.keys()
    if (oldest !== undefined) this.#waiting.delete(oldest)
  }

  #send({ subject, event }: Telling): void {
    const h = headers()
    h.set('Nats-Msg-Id', event.event_id)
    this.#publisher.publish(subject, JSON.stringify(event), h, (outcome) => {
      const now = performance.now()
      if (outcome.kind === 'stored') this.heard(event.event_id, now)
      const waiting = this.#waiting.get(event.event_id)
      if (waiting) waiting.dueAt = now + AFTER_REFUSAL_MS
    })
  }
}
