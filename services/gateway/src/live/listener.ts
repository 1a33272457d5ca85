// One connection that is told events. What it does not read piles up in this process, so there is an end to it:
// 1. Over listenerSoftBytes, events that the next of their kind makes up for are left out; when it has caught up, `reset`
//    names the topics that it missed something of, and it reads them anew.
// 2. Over listenerHardBytes, or when it has not caught up for listenerStallMs, the connection is ended. It comes back with the
//    id of the last event that it had.
import type { ServerResponse } from 'node:http'
import type { Writable } from 'node:stream'
import type { Limits } from '../limits.ts'
import { type Frame, frameOf, type Position, printPosition } from './frames.ts'

export interface ListenerCounters {
  left_out: number
  resets: number
  ended_slow: number
}

export class Listener {
  readonly #out: Writable
  readonly #limits: Limits
  readonly #counters: ListenerCounters
  /** The number of the last event before it came. */
  readonly #since: number
  /** Of the last event that it was sent. */
  #id: string
  readonly #missed = new Set<string>()
  /** Since when there is something that it has not read; null: it is up to date. */
  #behindSince: number | null = null

  constructor(response: ServerResponse, since: Position, limits: Limits, counters: ListenerCounters) {
    // Its body is neither cut into chunks nor counted, and nothing comes behind it. Where another answer goes first on the
    // connection, only the response knows when that is over.
    this.#out = response.socket ?? response
    this.#since = since.number
    this.#id = printPosition(since)
    this.#limits = limits
    this.#counters = counters
  }

  /** Bytes that it has not read. */
  get buffered(): number {
    return this.#out.writableLength
  }

  /** @param bytes of all the frames */
  send(frames: readonly Frame[], bytes: Buffer): void {
    const isUpToDate = this.#missed.size === 0 && this.buffered <= this.#limits.listenerSoftBytes
    if (isUpToDate && frames[0]!.number > this.#since) {
      this.#out.write(bytes)
      this.#id = frames.at(-1)!.id
    } else for (const frame of frames) if (frame.number > this.#since) this.#sendOne(frame)
  }

  #sendOne({ topic, bytes, id, replaceable }: Frame): void {
    const waiting = this.buffered
    if (replaceable && (this.#missed.has(topic) || waiting > this.#limits.listenerSoftBytes)) {
      this.#missed.add(topic)
      this.#counters.left_out++
    } else if (waiting > this.#limits.listenerHardBytes) this.endSlow()
    else {
      this.#out.write(bytes)
      this.#id = id
    }
  }

  /** @param now of performance.now() */
  look(now: number): void {
    if (this.buffered === 0) {
      this.#behindSince = null
      if (this.#missed.size === 0) return
      const topics = [...this.#missed]
      this.#missed.clear()
      this.#counters.resets++
      this.#out.write(frameOf(this.#id, 'reset', { topics, reason: 'slow' }))
    } else {
      this.#behindSince ??= now
      if (now - this.#behindSince > this.#limits.listenerStallMs) this.endSlow()
    }
  }

  write(text: string): void {
    if (this.buffered <= this.#limits.listenerHardBytes) this.#out.write(text)
  }

  endSlow(): void {
    if (this.#out.destroyed) return
    this.#counters.ended_slow++
    this.end()
  }

  end(): void {
    this.#out.destroy()
  }
}
