// A parked message as if a consumer had delivered it: for when there is no room to store it once more in its lane.
import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream'
import { isNothing, type TaskMessage } from '@poolmesh/bus'
import { STREAMS } from '@poolmesh/types'

const TRIES = 5
const RETRY_MS = 1_000

export class StoredMessage implements TaskMessage {
  readonly #jsm: JetStreamManager
  readonly #message: StoredMsg

  constructor(jsm: JetStreamManager, message: StoredMsg) {
    this.#jsm = jsm
    this.#message = message
  }

  get deliveries(): number {
    return 1
  }

  get sequence(): number {
    return this.#message.seq
  }

  get at(): number {
    return this.#message.time.getTime()
  }

  get subject(): string {
    return this.#message.subject
  }

  get data(): Uint8Array {
    return this.#message.data
  }

  get headers(): TaskMessage['headers'] {
    return this.#message.header
  }

  text(): string {
    return this.#message.string()
  }

  ack(): void {
    void this.#delete()
  }

  /** What was not deleted is found again, and that its tasks have ended: no harm is done. */
  async #delete(): Promise<void> {
    for (let tries = 1; tries <= TRIES; tries++) {
      try {
        await this.#jsm.streams.deleteMessage(STREAMS.tasks, this.sequence, false)
        return
      } catch (error) {
        if (isNothing(error)) return
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
      }
    }
  }

  /** It lies where it lay. */
  nak(): void {}

  working(): void {}
}
