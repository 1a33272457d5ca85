// Which results of a message one destination has not stored yet, in the bucket MEMORY: only of messages that were stored in part.
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { headers, type NatsConnection } from '@nats-io/transport-node'
import { readKey } from '@poolmesh/bus'
import { BUCKETS } from '@poolmesh/types'

/** Refusals by the place in the message. */
export type Left = Map<number, number>

export class LeftOver {
  readonly #js: JetStreamClient
  readonly #jsm: JetStreamManager
  readonly #prefix: string
  readonly #ttl: string

  private constructor(nc: NatsConnection, jsm: JetStreamManager, destination: string, keptHours: number) {
    this.#js = jetstream(nc)
    this.#jsm = jsm
    this.#prefix = `${destination}.`
    this.#ttl = `${Math.ceil(keptHours + 1)}h`
  }

  /** @param keptHours how long results are stored: nothing is kept for longer than the message that it is about */
  static async open(nc: NatsConnection, destination: string, keptHours: number): Promise<LeftOver> {
    return new LeftOver(nc, await jetstreamManager(nc), destination, keptHours)
  }

  async read(sequence: number): Promise<{ left: Left; revision: number } | null> {
    const stored = await readKey(this.#jsm, BUCKETS.memory, this.#prefix + sequence)
    return stored ? { left: new Map(stored.json<[number, number][]>()), revision: stored.seq } : null
  }

  /**
   * @param revision of what was read or written before, 0 when there was nothing
   * @throws Error when somebody else has written since, or the broker does not say that it is stored
   */
  async write(sequence: number, left: Left, revision: number): Promise<number> {
    const sent = headers()
    sent.set('Nats-TTL', this.#ttl)
    const ack = await this.#js.publish(
      `$KV.${BUCKETS.memory}.${this.#prefix}${sequence}`,
      JSON.stringify([...left]),
      { headers: sent, expect: { lastSubjectSequence: revision } },
    )
    return ack.seq
  }

  /** Where that fails, its time will end it. */
  async forget(sequence: number): Promise<void> {
    const filter = `$KV.${BUCKETS.memory}.${this.#prefix}${sequence}`
    await this.#jsm.streams.purge(`KV_${BUCKETS.memory}`, { filter }).catch(() => {})
  }
}
