// `task.distribute`: a fan-out as a request whose answer is the result itself. It goes the way of every fan-out; this
// only submits it and waits.
import { createInbox, headers, type NatsConnection, nuid, type Subscription } from '@nats-io/transport-node'
import {
  type ClaimCheck,
  type Publisher,
  type PublishOutcome,
  STREAM_FULL,
  type StoredTasks,
  WRONG_LAST_SEQUENCE,
} from '@poolmesh/bus'
import { type FanOutTask, isFanOut } from '@poolmesh/core'
import {
  completedSubject,
  type DistributedTaskResult,
  HEADERS,
  isTerminal,
  PoolmeshError,
  parseTask,
  type RoutingStrategy,
  submittedSubject,
} from '@poolmesh/types'
import type { Logger } from 'pino'
import { withoutFanOut } from './read.ts'

/** Requests that wait at one time. */
const MAX_WAITING = 10_000
/** Whoever tells may die before telling: what is waited for is looked up now and then. */
const LOOK_MS = 2_000
/** A task that was submitted by somebody else is told to them; its result is seen on its way into the stream. */
const SEEN_MS = 25
/** How often a publish that the broker does not answer is tried, 5 s each. */
const MAX_TRIES = 3

export interface DistributeParts {
  publisher: Publisher
  stored: StoredTasks
  claims: ClaimCheck
  defaultStrategy: RoutingStrategy
  log: Logger
}

interface Waiting {
  promise: Promise<DistributedTaskResult>
  resolve(result: DistributedTaskResult): void
  reject(error: PoolmeshError): void
  /** Sees results that are told to somebody else. */
  seen: Subscription | null
  /** When to look it up (performance.now). */
  lookAt: number
}

export class Distribute implements Disposable {
  readonly #nc: NatsConnection
  readonly #parts: DistributeParts
  readonly #inbox = `${createInbox()}.`
  readonly #told: Subscription
  readonly #timer: NodeJS.Timeout
  readonly #waiting = new Map<string, Waiting>()
  #stopped = false

  constructor(nc: NatsConnection, parts: DistributeParts) {
    this.#nc = nc
    this.#parts = parts
    this.#told = nc.subscribe(`${this.#inbox}*`, {
      callback: (error, message) => {
        if (error) return
        const result = resultIn(message.string())
        if (result) this.#settle(message.subject.slice(this.#inbox.length), result)
      },
    })
    this.#timer = setInterval(() => this.#lookAround(), SEEN_MS)
  }

  get waiting(): number {
    return this.#waiting.size
  }

  /**
   * The result of the fan-out, as soon as it is stored. A task that has ended already is not run again.
   * @throws PoolmeshError INVALID_INPUT, OVERLOADED, PAYLOAD_TOO_LARGE, UNAVAILABLE
   */
  async run(request: unknown): Promise<DistributedTaskResult> {
    const parsed = parseTask(request, {
      taskId: `pm_${nuid.next()}`,
      defaultStrategy: this.#parts.defaultStrategy,
    })
    if (!parsed.ok) throw parsed.error
    const { task } = parsed
    if (!isFanOut(task)) throw withoutFanOut()
    const held = this.#waiting.get(task.task_id)
    if (held) return await held.promise
    if (this.#waiting.size >= MAX_WAITING)
      throw new PoolmeshError(
        'OVERLOADED',
        `${MAX_WAITING} requests wait for their results already: try later`,
      )
    const waiting = this.#wait(task.task_id)
    try {
      const ended = await this.#look(task.task_id)
      if (!ended) await this.#submit(task, waiting)
    } catch (error) {
      waiting.reject(error as PoolmeshError)
    }
    return await waiting.promise.finally(() => this.#forget(task.task_id))
  }

  #wait(taskId: string): Waiting {
    const { promise, resolve, reject } = Promise.withResolvers<DistributedTaskResult>()
    // Several may wait for it, or nobody any more.
    promise.catch(() => {})
    const waiting: Waiting = { promise, resolve, reject, seen: null, lookAt: performance.now() + LOOK_MS }
    this.#waiting.set(taskId, waiting)
    return waiting
  }

  #forget(taskId: string): void {
    this.#waiting.get(taskId)?.seen?.unsubscribe()
    this.#waiting.delete(taskId)
  }

  #settle(taskId: string, result: DistributedTaskResult): void {
    if (result.task_id === taskId) this.#waiting.get(taskId)?.resolve(result)
  }

  async #submit(task: FanOutTask, waiting: Waiting): Promise<void> {
    const h = headers()
    h.set(HEADERS.expectedLastSubjectSequence, '0')
    h.set(HEADERS.notify, this.#inbox + task.task_id)
    const subject = submittedSubject('fanout', task.task_id)
    let text = JSON.stringify(task)
    let outcome: PublishOutcome = { kind: 'unknown', message: 'the service is stopping' }
    for (let tries = 0; tries < MAX_TRIES && outcome.kind === 'unknown' && !this.#stopped; tries++) {
      outcome = await this.#parts.publisher.store(subject, text, h)
      if (outcome.kind !== 'refused' || outcome.code !== 413 || task['payload_ref']) continue
      // The request fitted into a message; with its defaults the task does not.
      const payload_ref = await this.#parts.claims.put(task.payload)
      text = JSON.stringify({ ...task, payload: {}, payload_ref })
      outcome = await this.#parts.publisher.store(subject, text, h)
    }
    if (outcome.kind === 'stored') return
    if (outcome.kind === 'refused' && WRONG_LAST_SEQUENCE.has(outcome.code)) {
      // Pending already (or our own publish of which the answer was lost): its result is ours.
      waiting.seen = this.#nc.subscribe(completedSubject(task.task_id), {
        callback: () => {
          waiting.lookAt = 0
        },
      })
      waiting.lookAt = 0
      return
    }
    throw refusal(outcome)
  }

  #lookAround(): void {
    const now = performance.now()
    for (const [taskId, waiting] of this.#waiting) {
      if (waiting.lookAt > now) continue
      waiting.lookAt = now + LOOK_MS
      this.#look(taskId).catch((error: unknown) =>
        this.#parts.log.warn({ err: error, task_id: taskId }, 'stored results cannot be read now'),
      )
    }
  }

  /** @returns whether there is a stored result; whoever waits for it has it then */
  async #look(taskId: string): Promise<boolean> {
    const { results } = await this.#parts.stored.under(completedSubject(taskId))
    for (const result of results) this.#settle(taskId, result)
    return results.length > 0
  }

  /** Whoever waits is told where to ask: the tasks themselves go on. */
  stop(): void {
    this.#stopped = true
    clearInterval(this.#timer)
    for (const [taskId, waiting] of this.#waiting)
      waiting.reject(
        new PoolmeshError(
          'UNAVAILABLE',
          `the distributor is stopping; the task goes on: ask task.result for ${taskId}`,
        ),
      )
  }

  [Symbol.dispose](): void {
    this.stop()
    this.#told.unsubscribe()
    for (const taskId of [...this.#waiting.keys()]) this.#forget(taskId)
  }
}

/** One result, or null: what is told of a task submitted alone is an object, or an array of one. */
function resultIn(text: string): DistributedTaskResult | null {
  try {
    const [result] = [JSON.parse(text)].flat() as (DistributedTaskResult | null)[]
    return result && isTerminal(result.status) ? result : null
  } catch {
    return null
  }
}

function refusal(outcome: Exclude<PublishOutcome, { kind: 'stored' }>): PoolmeshError {
  if (outcome.kind === 'refused' && STREAM_FULL.has(outcome.code))
    return new PoolmeshError('OVERLOADED', 'the stream of pending tasks is full: try again later')
  if (outcome.kind === 'refused' && outcome.code === 413)
    return new PoolmeshError('PAYLOAD_TOO_LARGE', 'the task is larger than the server takes in one message')
  return new PoolmeshError('UNAVAILABLE', `the task could not be stored: ${outcome.message}`)
}
