// Plain `task.submitted`: whatever anybody publishes there is checked, gets an id where it has none, and is stored again
// under its own subject in the lane of its priority, from where it goes the way of every task. What is no task is recorded.

import { createHash } from 'node:crypto'
import { headers, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node'
import {
  INTAKE_CONSUMER,
  maxPayload,
  type Publisher,
  type PublishOutcome,
  type PulledMessage,
  Puller,
  STREAM_FULL,
  type TaskMessage,
  WRONG_LAST_SEQUENCE,
} from '@poolmesh/bus'
import {
  type DistributedTask,
  HEADERS,
  laneOf,
  PoolmeshError,
  parseJson,
  parseTask,
  type RoutingStrategy,
  STREAMS,
  submittedSubject,
} from '@poolmesh/types'
import type { Rejections } from './rejections.ts'

/** Messages that are being stored again at one time. */
const WINDOW = 1_000
const RETRY_MS = 500

export interface IntakeOptions {
  publisher: Publisher
  rejections: Rejections
  defaultStrategy: RoutingStrategy
  /** Takes the task without a copy of its own, where there is no room for one. @returns false: not here, or not now */
  takeDirectly(message: TaskMessage, task: DistributedTask): boolean
}

export class Intake implements Disposable {
  readonly #nc: NatsConnection
  readonly #options: IntakeOptions
  readonly #puller: Puller
  #inFlight = 0

  constructor(nc: NatsConnection, options: IntakeOptions) {
    this.#nc = nc
    this.#options = options
    this.#puller = new Puller(nc, {
      stream: STREAMS.tasks,
      consumer: INTAKE_CONSUMER,
      room: () => WINDOW - this.#inFlight,
      onMessage: (message) => void this.#take(message),
    })
  }

  reset(): void {
    this.#puller.reset()
  }

  #take(message: PulledMessage): void {
    this.#inFlight++
    let value: unknown
    try {
      value = parseJson(message.text(), 'what was published to task.submitted')
    } catch (error) {
      this.#reject(message, error as PoolmeshError, readable(message.text()))
      return
    }
    const parsed = parseTask(value, {
      taskId: madeUpId(message),
      defaultStrategy: this.#options.defaultStrategy,
    })
    if (!parsed.ok) {
      this.#reject(message, parsed.error, value)
      return
    }
    const { task } = parsed
    const text = JSON.stringify(task)
    if (Buffer.byteLength(text) > maxPayload(this.#nc)) {
      const tooLarge = new PoolmeshError(
        'PAYLOAD_TOO_LARGE',
        `with its defaults the task has ${Buffer.byteLength(text)} bytes, more than the server takes in one message: submit it with @poolmesh/client, which passes large payloads through the object store`,
      )
      this.#reject(message, tooLarge, value)
      return
    }
    const subject = submittedSubject(task.fan_out ? 'fanout' : laneOf(task.priority), task.task_id)
    this.#options.publisher.publish(subject, text, onward(message), (outcome) => {
      this.#inFlight--
      // Refused because the id is pending: the first submission stands.
      const done =
        outcome.kind === 'stored' || (outcome.kind === 'refused' && WRONG_LAST_SEQUENCE.has(outcome.code))
      if (done) message.ack()
      else if (!this.#isTaken(outcome, message, task)) message.nak(RETRY_MS)
      this.#puller.nudge()
    })
  }

  /** A full stream takes no copy, and would stay full for good if what is in it were not run all the same. */
  #isTaken(outcome: PublishOutcome, message: PulledMessage, task: DistributedTask): boolean {
    const full = outcome.kind === 'refused' && STREAM_FULL.has(outcome.code)
    return full && !task.fan_out && this.#options.takeDirectly(message, task)
  }

  #reject(message: PulledMessage, error: PoolmeshError, value: unknown): void {
    void this.#options.rejections.record(error, message, value).then((recorded) => {
      this.#inFlight--
      if (recorded) message.ack()
      else message.nak(1_000)
      this.#puller.nudge()
    })
  }

  /** Takes nothing more. */
  async stop(): Promise<void> {
    await this.#puller.stop()
  }

  [Symbol.dispose](): void {
    this.#puller[Symbol.dispose]()
  }
}

/** What is refused for its depth is JSON all the same, and may have an id. */
function readable(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * A UUID (version 8: made by a rule of one's own) from where and when the message was stored, so that a redelivery finds
 * the same id.
 */
function madeUpId(message: PulledMessage): string {
  const hex = createHash('sha256').update(`${STREAMS.tasks} ${message.sequence} ${message.at}`).digest('hex')
  const variant = ((Number.parseInt(hex[16] as string, 16) & 3) | 8).toString(16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** The headers of the stored copy: refuse a pending id, keep the time of submission and whom to tell. */
export function onward(message: TaskMessage): MsgHdrs {
  const h = headers()
  h.set(HEADERS.expectedLastSubjectSequence, '0')
  h.set(HEADERS.submitted, String(message.at))
  const notify = message.headers?.get(HEADERS.notify)
  if (notify) h.set(HEADERS.notify, notify)
  return h
}
