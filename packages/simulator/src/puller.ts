// Mirrors packages/bus/src/puller.ts: as many messages are asked for as there is room.
import type { Delivery } from './lane.ts'
import type { Connection } from './network.ts'
import type { Process } from './process.ts'

const WATCH_MS = 1_000
const SILENCE_MS = 12_000
/** Answers in a row that nobody serves the consumer, about one a second. */
const MISSING_TIMES = 5

export interface PullerOptions {
  readonly consumer: string
  room(): number
  onMessage(delivery: Delivery): void
  /** The consumer is not there, and has not been for seconds. */
  onMissing?(): void
}

export class Puller {
  readonly #connection: Connection
  readonly #process: Process
  readonly #options: PullerOptions
  #outstanding = 0
  #heard: number
  #stopped = false
  #missing = 0

  constructor(connection: Connection, process: Process, options: PullerOptions) {
    this.#connection = connection
    this.#process = process
    this.#options = options
    this.#heard = process.monotonic()
    this.nudge()
    this.#watch()
  }

  nudge(): void {
    if (this.#stopped) return
    const room = Math.floor(this.#options.room())
    if (room <= 0 || this.#outstanding > room / 2) return
    const left = room - this.#outstanding
    this.#outstanding += left
    this.#heard = this.#process.monotonic()
    const connection = this.#connection
    connection.say(() => {
      const consumer = connection.broker.consumers.get(this.#options.consumer)
      if (consumer)
        consumer.ask({
          connection,
          epoch: connection.epoch,
          left,
          deliver: (delivery) => this.#receive(delivery),
          over: (unused) => this.#over(unused),
        })
      else connection.tell(() => this.#nobody())
    })
  }

  #over(unused: number): void {
    this.#heard = this.#process.monotonic()
    this.#missing = 0
    this.#outstanding = Math.max(0, this.#outstanding - unused)
    this.nudge()
  }

  /** The watch asks again. */
  #nobody(): void {
    this.#outstanding = 0
    if (this.#stopped || ++this.#missing % MISSING_TIMES > 0) return
    this.#options.onMissing?.()
  }

  #receive(delivery: Delivery): void {
    this.#heard = this.#process.monotonic()
    this.#missing = 0
    this.#outstanding = Math.max(0, this.#outstanding - 1)
    if (this.#stopped) handBack(this.#connection, delivery, 0)
    else this.#options.onMessage(delivery)
    this.nudge()
  }

  #watch(): void {
    this.#process.after(WATCH_MS, () => {
      if (this.#stopped) return
      if (this.#outstanding > 0 && this.#process.monotonic() - this.#heard > SILENCE_MS) this.#outstanding = 0
      this.nudge()
      this.#watch()
    })
  }

  /** What was asked for before the connection was cut will not come. */
  reset(): void {
    this.#outstanding = 0
    this.nudge()
  }

  stop(): void {
    this.#stopped = true
  }
}

/** NAK. */
export function handBack(connection: Connection, { message, consumer }: Delivery, ms: number): void {
  connection.say(() => connection.broker.consumers.get(consumer)?.nak(message.sequence, ms))
}

export function acknowledge(connection: Connection, { message, consumer }: Delivery): void {
  connection.say(() => connection.broker.consumers.get(consumer)?.ack(message.sequence))
}
