// One connection that is told events. What it does not read piles up in this process, so there is an end to it:
// 1. Over SOFT_BYTES, events that the next of their kind makes up for are left out; when it has caught up, `reset` names
//    the topics that it missed something of, and it reads them anew.
// 2. Over HARD_BYTES, or when it has not caught up for STALL_MS, the connection is ended. It comes back with the id of the
//    last event that it had.
import type { ServerResponse } from 'node:http'

const SOFT_BYTES = 64 * 1024
const HARD_BYTES = 2 * 1024 ** 2
const STALL_MS = 30_000

export interface ListenerCounters {
  left_out: number
  resets: number
  ended_slow: number
}

export class Listener {
  readonly topics: ReadonlySet<string>
  readonly #response: ServerResponse
  readonly #counters: ListenerCounters
  readonly #missed = new Set<string>()
  /** Since when there is something that it has not read; null: it is up to date. */
  #behindSince: number | null = null

  constructor(response: ServerResponse, topics: ReadonlySet<string>, counters: ListenerCounters) {
    this.#response = response
    this.topics = topics
    this.#counters = counters
  }

  /** Bytes that it has not read. */
  get buffered(): number {
    return this.#response.writableLength
  }

  /** @param replaceable the next event of the topic tells all that this one does */
  send(topic: string, bytes: Buffer, replaceable: boolean): void {
    const waiting = this.buffered
    if (replaceable && (this.#missed.has(topic) || waiting > SOFT_BYTES)) {
      this.#missed.add(topic)
      this.#counters.left_out++
    } else if (waiting > HARD_BYTES) this.endSlow()
    else this.#response.write(bytes)
  }

  /** @param reset makes the event that names topics */
  tick(now: number, reset: (topics: string[]) => Buffer): void {
    if (this.buffered === 0) {
      this.#behindSince = null
      if (this.#missed.size === 0) return
      const topics = [...this.#missed]
      this.#missed.clear()
      this.#counters.resets++
      this.#response.write(reset(topics))
    } else {
      this.#behindSince ??= now
      if (now - this.#behindSince > STALL_MS) this.endSlow()
    }
  }

  write(bytes: Buffer | string): void {
    if (this.buffered <= HARD_BYTES) this.#response.write(bytes)
  }

  endSlow(): void {
    this.#counters.ended_slow++
    this.end()
  }

  end(): void {
    this.#response.destroy()
  }
}
