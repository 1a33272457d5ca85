// Connections to the broker, as TCP gives them: in order within one connection and in no order between several; what is under
// way when a connection is cut is lost, what is said while there is none goes with the next. Also requests and their answers.
import type { Broker } from './broker.ts'
import type { Clock } from './clock.ts'
import type { Process } from './process.ts'
import type { Random } from './random.ts'

/** No subscriber: the server says so at once. `silence`: no answer in time. */
export type Reply<T> = { kind: 'reply'; value: T } | { kind: 'nobody' } | { kind: 'silence' }
export type Respond = (value: unknown) => void
type Listener = (message: unknown, respond: Respond) => void

const RECONNECT_MS = 150
const MAX_DELAY_MS = 3

export interface Subscription {
  readonly connection: Connection
  readonly listener: Listener
}

export class Connection {
  readonly process: Process
  readonly broker: Broker
  readonly #clock: Clock
  readonly #random: Random
  readonly #topics = new Map<string, Set<Subscription>>()
  #up = false
  #epoch = 0
  /** Arrival of the last message each way, so that none overtakes another. */
  #lastOut = 0
  #lastIn = 0
  #stalledUntil = 0
  #unsent: (() => void)[] = []
  onUp: () => void = () => {}
  onDown: () => void = () => {}

  constructor(clock: Clock, random: Random, process: Process, broker: Broker) {
    this.#clock = clock
    this.#random = random
    this.process = process
    this.broker = broker
    broker.connections.add(this)
    this.#connect(true)
    // The kernel says what is in its buffers and then that the connection is over.
    process.onExit(() => this.say(() => broker.gone(this)))
  }

  get epoch(): number {
    return this.#epoch
  }

  get isUp(): boolean {
    return this.#up
  }

  #connect(first = false): void {
    if (!this.process.alive || this.#up) return
    if (!this.broker.up) {
      this.#clock.after(RECONNECT_MS * (0.7 + 0.6 * this.#random.next()), () => this.#connect(first))
      return
    }
    this.#up = true
    this.#lastOut = this.#lastIn = this.#clock.now
    for (const [topic, all] of this.#topics)
      for (const one of all) this.say(() => this.broker.listen(topic, one))
    for (const send of this.#unsent.splice(0)) this.say(send)
    if (!first) this.process.does(() => this.onUp())
  }

  /** What is under way is lost. @param ms until it may be made again */
  cut(ms: number): void {
    if (!this.#up) return
    this.#up = false
    this.#epoch++
    this.broker.forget(this)
    if (!this.process.alive) return
    this.process.does(() => this.onDown())
    this.#clock.after(ms + RECONNECT_MS * (0.7 + 0.6 * this.#random.next()), () => this.#connect())
  }

  /** Nothing gets through for a while, and then all of it does. */
  stall(ms: number): void {
    this.#stalledUntil = Math.max(this.#stalledUntil, this.#clock.now + ms)
  }

  #arrival(last: number): number {
    const delay = 0.1 + MAX_DELAY_MS * this.#random.next() ** 4
    return Math.max(last, this.#clock.now + delay, this.#stalledUntil)
  }

  /** To the broker. */
  say(atBroker: () => void): void {
    if (!this.#up) {
      if (this.process.alive) this.#unsent.push(atBroker)
      return
    }
    const epoch = this.#epoch
    this.#lastOut = this.#arrival(this.#lastOut)
    this.#clock.after(this.#lastOut - this.#clock.now, () => {
      if (epoch === this.#epoch && this.broker.up) atBroker()
    })
  }

  /** From the broker. */
  tell(atClient: () => void): void {
    if (!this.#up) return
    const epoch = this.#epoch
    this.#lastIn = this.#arrival(this.#lastIn)
    this.#clock.after(this.#lastIn - this.#clock.now, () => {
      if (epoch === this.#epoch) this.process.does(atClient)
    })
  }

  subscribe<T>(topic: string, listener: (message: T, respond: Respond) => void): () => void {
    const one: Subscription = { connection: this, listener: listener as Listener }
    const all = this.#topics.get(topic) ?? new Set()
    this.#topics.set(topic, all.add(one))
    if (this.#up) this.say(() => this.broker.listen(topic, one))
    return () => {
      all.delete(one)
      this.say(() => this.broker.unlisten(topic, one))
    }
  }

  /** Stored nowhere: whoever listens when it arrives hears it. */
  publish(topic: string, message: unknown, onNobody?: () => void): void {
    this.say(() => {
      const heard = this.broker.publish(topic, message, () => {})
      if (!heard && onNobody) this.tell(onNobody)
    })
  }

  request<T>(topic: string, message: unknown, ms: number, done: (reply: Reply<T>) => void): void {
    const once = this.#once(ms, done)
    this.say(() => {
      const heard = this.broker.publish(topic, message, (value) =>
        this.tell(() => once({ kind: 'reply', value: value as T })),
      )
      if (!heard) this.tell(() => once({ kind: 'nobody' }))
    })
  }

  /** Has the broker do something; its answer may be lost although it has done it. */
  call<T>(atBroker: () => T, ms: number, done: (reply: Reply<T>) => void): void {
    const once = this.#once(ms, done)
    this.say(() => {
      const value = atBroker()
      if (this.broker.losesAnswer()) return
      // What streams answer is in no order with anything else: their leaders may be other nodes.
      const answer = (): void => this.tell(() => once({ kind: 'reply', value }))
      const late = this.broker.lateness()
      if (late === 0) answer()
      else this.#clock.after(late, answer)
    })
  }

  #once<T>(ms: number, done: (reply: Reply<T>) => void): (reply: Reply<T>) => void {
    let open = true
    const once = (reply: Reply<T>): void => {
      if (!open) return
      open = false
      done(reply)
    }
    this.process.after(ms, () => once({ kind: 'silence' }))
    return once
  }

  /** A round trip: whatever was said before has arrived. */
  flush(done: () => void): void {
    this.call(
      () => null,
      2_000,
      () => done(),
    )
  }
}
