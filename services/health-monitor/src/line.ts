// Whether we are able to hear the pools. Silence counts against a pool only while we are.
import type { NatsConnection } from '@nats-io/transport-node'

/** Pools have to find the server again too, and some take seconds. */
const SETTLE_MS = 5_000

export class Line {
  readonly #settleMs: number
  readonly #stallMs: number
  #up = true
  #quietUntil = 0
  #tickedAt: number
  #epoch = 0

  /** @param stallMs a tick that comes so late means that the process stood still */
  constructor(options: { settleMs: number; stallMs: number; now: number }) {
    this.#settleMs = Math.min(SETTLE_MS, options.settleMs)
    this.#stallMs = options.stallMs
    this.#tickedAt = options.now
  }

  /** Changes whenever something may have been missed: what was asked before and answered after means nothing. */
  get epoch(): number {
    return this.#epoch
  }

  isQuiet(now: number): boolean {
    return !this.#up || now < this.#quietUntil
  }

  /** Follows the connection until it is closed. */
  async follow(nc: NatsConnection, resumed: () => void): Promise<void> {
    for await (const { type } of nc.status()) {
      if (type !== 'disconnect' && type !== 'reconnect') continue
      this.#epoch++
      this.#up = type === 'reconnect'
      if (!this.#up) continue
      this.#quietUntil = performance.now() + this.#settleMs
      resumed()
    }
  }

  /** @returns whether the process stood still since the last tick, so that messages may wait unread */
  ticked(now: number): boolean {
    const stalled = now - this.#tickedAt > this.#stallMs
    this.#tickedAt = now
    if (stalled) this.#epoch++
    return stalled
  }
}
