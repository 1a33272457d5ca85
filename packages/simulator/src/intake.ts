// Mirrors services/executor/src/intake.ts: what is published to plain `task.submitted` is stored again in a lane.
import { laneOf } from '@poolmesh/types'
import type { Delivery } from './lane.ts'
import { Puller } from './puller.ts'
import type { Outcome } from './store.ts'
import type { Wiring } from './wiring.ts'

const WINDOW = 16
const STORE_MS = 5_000

export class Intake {
  readonly #wiring: Wiring
  readonly #puller: Puller
  #inFlight = 0

  constructor(wiring: Wiring) {
    this.#wiring = wiring
    this.#puller = new Puller(wiring.connection, wiring.process, {
      consumer: 'intake',
      room: () => WINDOW - this.#inFlight,
      onMessage: (delivery) => this.#take(delivery),
    })
  }

  reset(): void {
    this.#puller.reset()
  }

  stop(): void {
    this.#puller.stop()
  }

  #take({ message, consumer }: Delivery): void {
    const { connection } = this.#wiring
    const { broker } = connection
    this.#inFlight++
    const [task] = message.tasks
    const feed = task?.fan_out ? 'fanout' : laneOf(task?.priority ?? 5)
    connection.call<Outcome>(
      () => broker.submit({ ...message, feed, again: true, origin: 0 }),
      STORE_MS,
      (reply) => {
        this.#inFlight--
        const { sequence } = message
        connection.say(() => {
          const own = broker.consumers.get(consumer)
          if (reply.kind === 'reply') own?.ack(sequence)
          else own?.nak(sequence, 500)
        })
        this.#puller.nudge()
      },
    )
  }
}
