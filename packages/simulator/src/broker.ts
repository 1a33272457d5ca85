// The broker: subjects that nothing is kept of, streams, registers, consumers; and what goes wrong with it.
import type { DistributedTaskResult } from '@poolmesh/types'
import type { Clock } from './clock.ts'
import { LaneConsumer } from './lane.ts'
import type { Connection, Respond, Subscription } from './network.ts'
import type { Random } from './random.ts'
import { type Outcome, Store, type StoredMessage, type Witness } from './store.ts'

const EXPIRE_MS = 1_000
const SYNC_MS = 1_000
/** Of the lanes' consumers, and of those that any number of processes share. */
const ACK_WAIT_MS = 60_000
const SHARED_ACK_WAIT_MS = 6_000
/** Subjects that are served by a queue group: one of those who listen hears a message. */
const QUEUED = /^(work|serve)\./
/** What somebody answers or tells may come twice. */
const DOUBLED = /^(answer|notify|branch|runs)/
const MAX_LATE_MS = 40

export class Broker {
  readonly store: Store
  readonly connections = new Set<Connection>()
  readonly consumers = new Map<string, LaneConsumer>()
  readonly #clock: Clock
  readonly #random: Random
  readonly #topics = new Map<string, Set<Subscription>>()
  up = true
  #losesAnswersUntil = 0
  #reordersUntil = 0
  #doublesUntil = 0

  constructor(clock: Clock, random: Random, witness: Witness, syncsAlways: boolean) {
    this.#clock = clock
    this.#random = random
    this.store = new Store(witness, syncsAlways)
    const every = (ms: number, work: () => void): void =>
      clock.after(ms, () => {
        if (this.up) work()
        every(ms, work)
      })
    every(EXPIRE_MS, () => {
      for (const consumer of this.consumers.values()) consumer.expire()
      this.#wakeParked()
    })
    every(SYNC_MS, () => this.store.sync())
    for (const feed of ['fanout', 'intake'])
      this.consumers.set(feed, new LaneConsumer(clock, this.store, feed, feed, SHARED_ACK_WAIT_MS))
  }

  /** By its own clock. */
  get now(): number {
    return this.#clock.now
  }

  // Subjects

  listen(topic: string, one: Subscription): void {
    const all = this.#topics.get(topic)
    if (all) all.add(one)
    else this.#topics.set(topic, new Set([one]))
  }

  unlisten(topic: string, one: Subscription): void {
    this.#topics.get(topic)?.delete(one)
  }

  /** @returns whether anybody listens */
  publish(topic: string, message: unknown, respond: Respond): boolean {
    const all = this.#topics.get(topic)
    if (!all || all.size === 0) return false
    const heard = QUEUED.test(topic) ? [this.#random.pick([...all])] : all
    const times = this.#clock.now < this.#doublesUntil && DOUBLED.test(topic) ? 2 : 1
    for (const { connection, listener } of heard)
      for (let i = 0; i < times; i++)
        connection.tell(() => listener(message, (value) => connection.say(() => respond(value))))
    return true
  }

  /** Its subscriptions are gone. */
  forget(connection: Connection): void {
    for (const all of this.#topics.values())
      for (const one of all) if (one.connection === connection) all.delete(one)
  }

  /** The process has died. */
  gone(connection: Connection): void {
    this.forget(connection)
    connection.cut(0)
    this.connections.delete(connection)
  }

  // Faults

  loseAnswers(ms: number): void {
    this.#losesAnswersUntil = this.#clock.now + ms
  }

  losesAnswer(): boolean {
    return this.#clock.now < this.#losesAnswersUntil && this.#random.chance(0.5)
  }

  reorder(ms: number): void {
    this.#reordersUntil = this.#clock.now + ms
  }

  /** How much later than in order a stream's answer comes (ms). */
  lateness(): number {
    return this.#clock.now < this.#reordersUntil ? MAX_LATE_MS * this.#random.next() : 0
  }

  double(ms: number): void {
    this.#doublesUntil = this.#clock.now + ms
  }

  redeliver(): void {
    for (const consumer of this.consumers.values()) consumer.redeliver()
  }

  /** @param power the machine is lost, with what was not synced */
  crash(ms: number, power: boolean): void {
    if (!this.up) return
    this.up = false
    if (power) {
      this.store.losePower()
      for (const consumer of this.consumers.values()) consumer.rewind()
    }
    for (const connection of this.connections) connection.cut(0)
    this.#clock.after(ms, () => {
      this.up = true
    })
  }

  // Streams

  submit(message: Omit<StoredMessage, 'sequence'>, fresh = true): Outcome {
    const outcome = this.store.add(message, fresh)
    for (const consumer of this.consumers.values()) if (consumer.feed === message.feed) consumer.serve()
    return outcome
  }

  append(subject: string, results: readonly DistributedTaskResult[], expected: number | null): Outcome {
    return this.store.append(subject, results, expected)
  }

  /** Refused where another consumer has the feed: a work queue gives a message to one only. */
  addConsumer(name: string, feed: string): boolean {
    for (const consumer of this.consumers.values()) if (consumer.feed === feed) return false
    this.consumers.set(name, new LaneConsumer(this.#clock, this.store, name, feed, ACK_WAIT_MS))
    return true
  }

  deleteConsumer(name: string): void {
    this.consumers.get(name)?.delete()
    this.consumers.delete(name)
  }

  /** A message that was scheduled comes into its lane by itself. */
  #wakeParked(): void {
    for (const message of [...this.store.messages.values()])
      if (message.parked && message.parked.wakeAt <= this.#clock.now) {
        this.submit(
          { ...message, feed: `${message.parked.lane}-back`, parked: null, at: this.#clock.now },
          false,
        )
        this.store.delete(message.sequence)
      }
  }
}
