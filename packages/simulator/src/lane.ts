// A consumer of a lane: gives each message to whoever asks, again when it is not acknowledged in time.
import type { Clock } from './clock.ts'
import type { Connection } from './network.ts'
import type { Store, StoredMessage } from './store.ts'

export interface Delivery {
  readonly message: StoredMessage
  readonly deliveries: number
  readonly consumer: string
}

interface Request {
  readonly connection: Connection
  readonly epoch: number
  left: number
  readonly deliver: (delivery: Delivery) => void
  /** No more will come for this request; `left` were not used. */
  readonly over: (left: number) => void
}

export class LaneConsumer {
  readonly name: string
  readonly feed: string
  readonly #clock: Clock
  readonly #store: Store
  readonly #ackWaitMs: number
  /** The last message that was given to anybody. */
  delivered = 0
  readonly #pending = new Map<number, { deliveries: number; due: number }>()
  #again: number[] = []
  #requests: Request[] = []

  constructor(clock: Clock, store: Store, name: string, feed: string, ackWaitMs: number) {
    this.#clock = clock
    this.#store = store
    this.name = name
    this.feed = feed
    this.#ackWaitMs = ackWaitMs
  }

  get open(): number {
    return this.#pending.size
  }

  ask(request: Request): void {
    this.#requests.push(request)
    this.serve()
  }

  serve(): void {
    for (;;) {
      const request = this.#requests[0]
      if (!request) return
      if (request.epoch !== request.connection.epoch || request.left === 0) {
        this.#requests.shift()
        continue
      }
      const message = this.#next()
      if (!message) return
      const known = this.#pending.get(message.sequence)
      const deliveries = (known?.deliveries ?? 0) + 1
      this.#pending.set(message.sequence, { deliveries, due: this.#clock.now + this.#ackWaitMs })
      request.left--
      const delivery = { message, deliveries, consumer: this.name }
      request.connection.tell(() => request.deliver(delivery))
    }
  }

  #next(): StoredMessage | undefined {
    for (let sequence = this.#again.shift(); sequence !== undefined; sequence = this.#again.shift()) {
      const message = this.#store.messages.get(sequence)
      if (message) return message
      this.#pending.delete(sequence)
    }
    for (const message of this.#store.messages.values()) {
      if (message.sequence <= this.delivered || message.feed !== this.feed) continue
      this.delivered = message.sequence
      return message
    }
    return undefined
  }

  /** Ignored where it is not one that was given away. */
  ack(sequence: number): void {
    if (this.#pending.delete(sequence)) this.#store.delete(sequence)
  }

  nak(sequence: number, ms: number): void {
    const pending = this.#pending.get(sequence)
    if (pending) pending.due = this.#clock.now + ms
    if (ms === 0) this.expire()
    else this.#clock.after(ms, () => this.expire())
  }

  working(sequence: number): void {
    const pending = this.#pending.get(sequence)
    if (pending) pending.due = this.#clock.now + this.#ackWaitMs
  }

  /** What nobody acknowledged in time is given again. */
  expire(): void {
    for (const [sequence, pending] of this.#pending)
      if (pending.due <= this.#clock.now) {
        pending.due = Number.POSITIVE_INFINITY
        this.#again.push(sequence)
      }
    this.serve()
  }

  /** A fault: what somebody has is given again although its time is not over. */
  redeliver(): void {
    for (const pending of this.#pending.values()) pending.due = Math.min(pending.due, this.#clock.now)
    this.expire()
  }

  /** The store has gone back to its last sync, and so has this. */
  rewind(): void {
    this.delivered = Math.min(this.delivered, this.#store.lastSequence)
    this.#again = []
    const known = new Map(this.#pending)
    this.#pending.clear()
    for (const { sequence, feed } of this.#store.messages.values())
      if (feed === this.feed && sequence <= this.delivered)
        this.#pending.set(sequence, {
          deliveries: known.get(sequence)?.deliveries ?? 1,
          due: this.#clock.now,
        })
  }

  delete(): void {
    for (const { connection, epoch, left, over } of this.#requests.splice(0))
      if (left > 0 && epoch === connection.epoch) connection.tell(() => over(left))
  }
}
