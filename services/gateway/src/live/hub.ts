// Tells events to everyone who listens. What it costs are the writes to sockets, so there are few:
// 1. An event is printed once, whoever gets it, and what several listeners get together is one buffer for all of them.
// 2. Events wait for a beat, and go out together; those that nothing makes up for wait only a moment, and take the others along.
// 3. A listener gets events in the order of their numbers, each once: also one that begins to listen between two beats, or
//    while others are being written to.

import type { ServerResponse } from 'node:http'
import { setImmediate as others } from 'node:timers/promises'
import { PoolmeshError } from '@poolmesh/types'
import type { Limits } from '../limits.ts'
import { type Frame, frameOf, type Position, printPosition, Ring } from './frames.ts'
import { Listener, type ListenerCounters } from './listener.ts'

export interface HubOptions {
  limits: Limits
  /** Tells the process from the one before: its numbers begin anew. */
  epoch: string
  /** Sequence of the last alert. */
  alertSequence(): number
  /** A topic has its first listener, or has none any more. */
  watched(topic: string, listening: boolean): void
}

/** Those who listen to the same. */
interface Group {
  key: string
  topics: ReadonlySet<string>
  listeners: Set<Listener>
  /** What they have not been told yet. */
  waiting: Frame[]
}

const BEAT_MS = 500
const SOON_MS = 20
const BEATS_A_SECOND = 1_000 / BEAT_MS
const KEEP_ALIVE_BEATS = 15 * BEATS_A_SECOND
/** Listeners that are written to before requests have their turn: some milliseconds. */
const AT_ONCE = 200

export class Hub implements Disposable {
  readonly counters: ListenerCounters = { left_out: 0, resets: 0, ended_slow: 0 }
  readonly #options: HubOptions
  readonly #ring = new Ring()
  readonly #listeners = new Set<Listener>()
  readonly #groups = new Map<string, Group>()
  readonly #byTopic = new Map<string, Set<Group>>()
  readonly #sources: ((beat: number) => void)[] = []
  readonly #timer: NodeJS.Timeout
  #soon: NodeJS.Timeout | undefined
  #writing = false
  #beats = 0

  constructor(options: HubOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#beat(), BEAT_MS)
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
    const { listeners } = this.#options.limits
    if (this.#listeners.size >= listeners)
      throw new PoolmeshError('OVERLOADED', `${listeners} listen already: try again later`)
  }

  /** @param source publishes what has come together: called twice a second, so that it goes out with all the rest */
  onBeat(source: (beat: number) => void): void {
    this.#sources.push(source)
  }

  /** The response has its headers and what its listener begins with. It is forgotten when its connection ends. */
  add(response: ServerResponse, topics: ReadonlySet<string>): Listener {
    const listener = new Listener(response, this.position, this.#options.limits, this.counters)
    this.#listeners.add(listener)
    const group = this.#groupOf(topics)
    group.listeners.add(listener)
    const remove = (): void => this.#remove(listener, group)
    response.once('close', remove)
    if (response.destroyed) remove()
    return listener
  }

  #groupOf(topics: ReadonlySet<string>): Group {
    const key = [...topics].sort().join()
    const known = this.#groups.get(key)
    if (known) return known
    const group: Group = { key, topics, listeners: new Set(), waiting: [] }
    this.#groups.set(key, group)
    for (const topic of topics) {
      const others = this.#byTopic.get(topic)
      if (others) others.add(group)
      else {
        this.#byTopic.set(topic, new Set([group]))
        this.#options.watched(topic, true)
      }
    }
    return group
  }

  #remove(listener: Listener, group: Group): void {
    if (!this.#listeners.delete(listener)) return
    group.listeners.delete(listener)
    if (group.listeners.size > 0) return
    this.#groups.delete(group.key)
    for (const topic of group.topics) {
      const others = this.#byTopic.get(topic)
      others?.delete(group)
      if (others?.size !== 0) continue
      this.#byTopic.delete(topic)
      this.#options.watched(topic, false)
    }
  }

  /** @param replaceable the next event of the topic tells all that this one does, or a look at the lists does */
  publish(topic: string, data: unknown, replaceable: boolean): void {
    const number = this.#ring.next()
    const id = printPosition(this.position)
    const frame = { number, id, topic, bytes: frameOf(id, topic, data), replaceable }
    this.#ring.add(frame)
    for (const group of this.#byTopic.get(topic) ?? []) group.waiting.push(frame)
    if (!replaceable) this.#soon ??= setTimeout(() => this.#flush(), SOON_MS)
  }

  /**
   * What somebody missed who was at a position.
   * @returns null where that is not kept any more
   */
  missedSince(position: Position, topics: ReadonlySet<string>): Frame[] | null {
    if (position.epoch !== this.#options.epoch) return null
    return this.#ring.since(position.number)?.filter(({ topic }) => topics.has(topic)) ?? null
  }

  #beat(): void {
    const beat = ++this.#beats
    for (const source of this.#sources) source(beat)
    this.#flush()
    if (beat % BEATS_A_SECOND === 0) this.#look(beat % KEEP_ALIVE_BEATS === 0)
  }

  #flush(): void {
    clearTimeout(this.#soon)
    this.#soon = undefined
    // Who writes finds what waits by then.
    if (!this.#writing) void this.#writeAll()
  }

  async #writeAll(): Promise<void> {
    this.#writing = true
    let written = 0
    for (let group = this.#nextGroup(); group; group = this.#nextGroup()) {
      const frames = group.waiting
      group.waiting = []
      const bytes = frames.length === 1 ? frames[0]!.bytes : Buffer.concat(frames.map((frame) => frame.bytes))
      for (const listener of [...group.listeners]) {
        listener.send(frames, bytes)
        if (++written % AT_ONCE === 0) await others()
      }
    }
    this.#writing = false
  }

  #nextGroup(): Group | undefined {
    for (const group of this.#groups.values()) if (group.waiting.length > 0) return group
    return undefined
  }

  #look(keepAlive: boolean): void {
    const now = performance.now()
    let bytes = 0
    for (const listener of this.#listeners) {
      listener.look(now)
      if (keepAlive) listener.write(': keep-alive\n\n')
      bytes += listener.buffered
    }
    if (bytes > this.#options.limits.listenersBytes) this.#endLargest(bytes)
  }

  #endLargest(total: number): void {
    let bytes = total
    for (const listener of [...this.#listeners].sort((a, b) => b.buffered - a.buffered)) {
      if (bytes <= this.#options.limits.listenersBytes / 2) return
      bytes -= listener.buffered
      listener.endSlow()
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    clearTimeout(this.#soon)
    for (const listener of this.#listeners) listener.end()
  }
}
