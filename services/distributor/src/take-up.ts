// Takes fan-outs from their lane: read, checked, compared with what is stored already.
import { headers, type NatsConnection } from '@nats-io/transport-node'
import {
  FANOUT_CONSUMER,
  type Publisher,
  type PulledMessage,
  Puller,
  type StoredResults,
  type StoredTasks,
  WRONG_LAST_SEQUENCE,
} from '@poolmesh/bus'
import type { FanOutTask } from '@poolmesh/core'
import {
  completedSubject,
  type DistributedTask,
  HEADERS,
  isId,
  laneOf,
  PoolmeshError,
  type RoutingStrategy,
  STREAMS,
  submittedSubject,
} from '@poolmesh/types'
import type { Logger } from 'pino'
import type { Coordinator } from './coordinator.ts'
import { readBatch } from './read.ts'
import type { Batch, Parent } from './records.ts'
import { record, rejectedResult } from './rejections.ts'

/** Ids that the client package and `task.distribute` make up: nobody else can have used one before. */
const MADE_UP_ID = /^pm_[A-Za-z0-9]{22}$/
const NO_RESULTS: StoredResults = { results: [], lastSequence: 0, at: null }
/** Messages that are asked for at one time. */
const MAX_ROOM = 200
/** A fan-out whose time comes later than this goes back into the stream until then. */
const SOON_MS = 5_000
/** It is looked at again after this at the latest. */
const MAX_AWAY_MS = 3_600_000
const RETRY_MS = 500
/** Subjects that are told of one batch: each submission of a pending id may bring one. */
const MAX_NOTIFY = 16

export interface TakeUpParts {
  coordinator: Coordinator
  stored: StoredTasks
  publisher: Publisher
  defaultStrategy: RoutingStrategy
  maxParents: number
  maxBytes: number
  log: Logger
}

export class TakeUp implements Disposable {
  readonly #parts: TakeUpParts
  readonly #puller: Puller
  /** Messages that are being looked up, so not with the coordinator yet. */
  #looking = 0
  /** The last sequence that came. */
  #highest = 0
  /** What a batch takes in memory, lately: room is counted in bytes, messages are asked for. */
  #bytesPerBatch = 4_096

  constructor(nc: NatsConnection, parts: TakeUpParts) {
    this.#parts = parts
    this.#puller = new Puller(nc, {
      stream: STREAMS.tasks,
      consumer: FANOUT_CONSUMER,
      room: () => this.#room(),
      onMessage: (message) => this.#take(message),
    })
  }

  #room(): number {
    const { coordinator, maxParents, maxBytes } = this.#parts
    const parents = maxParents - coordinator.active - this.#looking
    const byBytes = (maxBytes - coordinator.bytes) / this.#bytesPerBatch - this.#looking
    return Math.min(parents, byBytes <= 0 ? 0 : Math.max(1, byBytes), MAX_ROOM)
  }

  /** There may be room again. */
  nudge(): void {
    this.#puller.nudge()
  }

  reset(): void {
    this.#puller.reset()
  }

  /**
   * Where a sequence comes for the first time that was there before, the server has lost its last messages: all that is held
   * from there on is gone.
   */
  #lookBack({ sequence, subject, deliveries }: PulledMessage): void {
    const before = this.#highest
    this.#highest = Math.max(before, sequence)
    if (sequence > before) return
    for (const batch of this.#parts.coordinator.batches.values()) {
      const held = batch.message
      const isAnother = held.sequence === sequence && held.subject !== subject
      if (isAnother || (deliveries === 1 && held.sequence > sequence)) batch.isGone = true
    }
  }

  #take(message: PulledMessage): void {
    const { coordinator, stored } = this.#parts
    this.#lookBack(message)
    const id = message.subject.slice(message.subject.lastIndexOf('.') + 1)
    if (!isId(id)) {
      void this.#refuse(message, id)
      return
    }
    const held = coordinator.batches.get(id)
    if (held) {
      this.#again(held, message)
      return
    }
    if (message.deliveries === 1 && MADE_UP_ID.test(id)) {
      this.#accept(message, id, NO_RESULTS)
      return
    }
    this.#looking++
    stored.exists(completedSubject(id), (exists) => {
      if (exists === true) void this.#compare(message, id)
      else if (exists === false) this.#looked(() => this.#accept(message, id, NO_RESULTS))
      else this.#looked(() => message.nak(RETRY_MS))
    })
  }

  /** Delivered again although it is held here, or submitted a second time: the first stands. */
  #again(held: Batch, message: PulledMessage): void {
    if (held.message.sequence === message.sequence && !held.isGone) {
      held.message = message
      return
    }
    const notify = message.headers?.get(HEADERS.notify)
    if (notify && held.notify.size < MAX_NOTIFY) held.notify.add(notify)
    const other = held.others.findIndex(({ sequence }) => sequence === message.sequence)
    if (other >= 0) held.others[other] = message
    else held.others.push(message)
  }

  #looked(next: () => void): void {
    this.#looking--
    next()
    this.#puller.nudge()
  }

  async #compare(message: PulledMessage, id: string): Promise<void> {
    try {
      const stored = await this.#parts.stored.under(completedSubject(id))
      this.#looked(() => this.#accept(message, id, stored))
    } catch (error) {
      this.#parts.log.warn({ err: error, batch: id }, 'stored results could not be read, trying again')
      this.#looked(() => message.nak(2 * RETRY_MS))
    }
  }

  #accept(message: PulledMessage, id: string, stored: StoredResults): void {
    const { coordinator, publisher } = this.#parts
    const held = coordinator.batches.get(id)
    if (held) {
      this.#again(held, message)
      return
    }
    const read = readBatch(message, id, this.#parts.defaultStrategy)
    if (read.astray) {
      this.#toItsLane(message, read.astray)
      return
    }
    const settled = new Set(stored.results.map((result) => result.task_id))
    const refused = read.refused.filter(({ taskId }) => !settled.has(taskId))
    const notBefore = earliest(read.tasks)
    if (notBefore > Date.now() + SOON_MS && refused.length === 0 && settled.size === 0) {
      message.nak(Math.min(MAX_AWAY_MS, notBefore - Date.now()))
      return
    }
    const notify = message.headers?.get(HEADERS.notify)
    // What is stored is told again: whoever stored it may have died before telling.
    if (notify && settled.size > 0)
      publisher.tell(notify, JSON.stringify(read.alone ? stored.results[0] : stored.results))
    const batch: Batch = {
      id,
      message,
      others: [],
      isGone: false,
      alone: read.alone,
      notify: new Set(notify ? [notify] : []),
      submittedAt: Number(message.headers?.get(HEADERS.submitted)) || message.at,
      takenOver: message.deliveries > 1,
      bytes: message.data.length + 512,
      open: 0,
      failed: new Set(refused.map(({ taskId }) => taskId)),
      ready: [],
      writing: false,
      lastSequence: stored.lastSequence,
    }
    this.#bytesPerBatch = 0.9 * this.#bytesPerBatch + 0.1 * batch.bytes
    for (const { taskId, error } of refused) {
      this.#parts.log.warn(
        { task_id: taskId, code: error.code, problem: error.message },
        'no fan-out, rejected',
      )
      void record(publisher, message, error)
    }
    const tasks = read.tasks.filter((task) => !settled.has(task.task_id))
    coordinator.accept(
      batch,
      tasks.map((task) => parentOf(batch, task)),
      refused.map(({ taskId, error }) => rejectedResult(taskId, error)),
    )
  }

  /** The last token of its subject is no id, so nothing can be stored under it. */
  async #refuse(message: PulledMessage, id: string): Promise<void> {
    const { publisher, log } = this.#parts
    const problem = `the subject ends in ${id.slice(0, 100)}, which is no id`
    log.warn({ code: 'INVALID_INPUT', problem }, 'no fan-out, rejected')
    if (await record(publisher, message, new PoolmeshError('INVALID_INPUT', problem))) message.ack()
    else message.nak(2 * RETRY_MS)
  }

  /** A task without a fan-out goes to the lane of its priority, with whom to tell. */
  #toItsLane(message: PulledMessage, task: DistributedTask): void {
    const h = headers()
    h.set(HEADERS.expectedLastSubjectSequence, '0')
    h.set(HEADERS.submitted, message.headers?.get(HEADERS.submitted) || String(message.at))
    const notify = message.headers?.get(HEADERS.notify)
    if (notify) h.set(HEADERS.notify, notify)
    const subject = submittedSubject(laneOf(task.priority), task.task_id)
    this.#parts.publisher.publish(subject, JSON.stringify(task), h, (outcome) => {
      // Refused because the id is pending there: the first submission stands.
      const pending = outcome.kind === 'refused' && WRONG_LAST_SEQUENCE.has(outcome.code)
      if (outcome.kind === 'stored' || pending) message.ack()
      else message.nak(RETRY_MS)
    })
  }

  /** Takes nothing more; what still comes is handed back. */
  async stop(): Promise<void> {
    await this.#puller.stop()
  }

  [Symbol.dispose](): void {
    this.#puller[Symbol.dispose]()
  }
}

const notBeforeOf = (task: FanOutTask): number => (task.not_before ? Date.parse(task.not_before) : 0)

/** When the first of the tasks may begin (ms since the epoch); 0: now. */
const earliest = (tasks: FanOutTask[]): number =>
  tasks.reduce((least, task) => Math.min(least, notBeforeOf(task)), tasks.length > 0 ? Number.MAX_VALUE : 0)

const parentOf = (batch: Batch, task: FanOutTask): Parent => ({
  batch,
  task,
  deadline: Math.max(batch.submittedAt, notBeforeOf(task)) + task.queue_timeout * 1_000,
  state: 'waiting',
  beginAt: 0,
  run: null,
  print: () => '',
  claiming: null,
  claimed: false,
  unsent: new Map(),
  cancelReason: null,
  closeBy: 0,
  busy: false,
  pollAt: 0,
  pollPause: 0,
  onStored: [],
})
