// Tells events to everyone who listens. Each event is printed once, whoever gets it.
import type { ServerResponse } from 'node:http'
import { PoolmeshError } from '@poolmesh/types'
import { type Frame, frameOf, type Position, printPosition, Ring } from './frames.ts'
import { Listener, type ListenerCounters } from './listener.ts'

export interface HubOptions {
  /** Connections at most. */
  maxListeners: number
  /** Tells the process from the one before: its numbers begin anew. */
  epoch: string
  /** Sequence of the last alert. */
  alertSequence(): number
  /** A topic has its first listener, or has none any more. */
  watched(topic: string, listening: boolean): void
}

const TICK_MS = 1_000
const KEEP_ALIVE_TICKS = 15
/** Of what all listeners have not read. */
const ALL_BYTES = 128 * 1024 ** 2

export class Hub implements Disposable {
  readonly counters: ListenerCounters = { left_out: 0, resets: 0, ended_slow: 0 }
  readonly #options: HubOptions
  readonly #ring = new Ring()
  readonly #listeners = new Set<Listener>()
  readonly #byTopic = new Map<string, Set<Listener>>()
  readonly #timer: NodeJS.Timeout
  #ticks = 0

  constructor(options: HubOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
  }

  get size(): number {
    return this.#listeners.size
  }

  hasListeners(topic: string): boolean {
    return this.#byTopic.has(topic)
  }

  /** Where somebody is who has had everything. */
  get position(): Position {
    return {
      epoch: this.#options.epoch,
      number: this.#ring.last,
      alerts: this.#options.alertSequence(),
    }
  }

  /** @throws PoolmeshError OVERLOADED */
  requireRoom(): void {
    if (this.#listeners.size >= this.#options.maxListeners)
      throw new PoolmeshError('OVERLOADED', `${this.#options.maxListeners} listen already: try again later`)
  }

  /** The response has its headers. It is forgotten when its connection ends. */
  add(response: ServerResponse, topics: ReadonlySet<string>): Listener {
    const listener = new Listener(response, topics, this.counters)
    this.#listeners.add(listener)
    for (const topic of topics) {
      const others = this.#byTopic.get(topic)
      if (others) others.add(listener)
      else {
        this.#byTopic.set(topic, new Set([listener]))
        this.#options.watched(topic, true)
      }
    }
    response.once('close', () => this.#remove(listener))
    if (response.destroyed) this.#remove(listener)
    return listener
  }

  #remove(listener: Listener): void {
    if (!this.#listeners.delete(listener)) return
    for (const topic of listener.topics) {
      const others = this.#byTopic.get(topic)
      others?.delete(listener)
      if (others?.size !== 0) continue
      this.#byTopic.delete(topic)
      this.#options.watched(topic, false)
    }
  }

  /** @param replaceable the next event of the topic tells all that this one does, or a look at the lists does */
  publish(topic: string, data: unknown, replaceable: boolean): void {
    const number = this.#ring.next()
    const bytes = frameOf(printPosition(this.position), topic, data)
    this.#ring.add({ number, topic, bytes })
    for (const listener of this.#byTopic.get(topic) ?? []) listener.send(topic, bytes, replaceable)
  }

  /**
   * What somebody missed who was at a position.
   * @returns null where that is not kept any more
   */
  missedSince(position: Position, topics: ReadonlySet<string>): Frame[] | null {
    if (position.epoch !== this.#options.epoch) return null
    return this.#ring.since(position.number)?.filter(({ topic }) => topics.has(topic)) ?? null
  }

  reset(topics: readonly string[], reason: 'slow' | 'gap'): Buffer {
    return frameOf(printPosition(this.position), 'reset', { topics, reason })
  }

  #tick(): void {
    const now = performance.now()
    const keepAlive = ++this.#ticks % KEEP_ALIVE_TICKS === 0
    let bytes = 0
    for (const listener of this.#listeners) {
      listener.tick(now, (topics) => this.reset(topics, 'slow'))
      if (keepAlive) listener.write(': keep-alive\n\n')
      bytes += listener.buffered
    }
    if (bytes > ALL_BYTES) this.#endLargest(bytes)
  }

  #endLargest(total: number): void {
    let bytes = total
    for (const listener of [...this.#listeners].sort((a, b) => b.buffered - a.buffered)) {
      if (bytes <= ALL_BYTES / 2) return
      bytes -= listener.buffered
      listener.endSlow()
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    for (const listener of this.#listeners) listener.end()
  }
}
