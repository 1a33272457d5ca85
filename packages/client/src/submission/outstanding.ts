// The tasks of this client that have no result yet. Results are told on one subject of the client's own; since such a
// note may be lost with its sender, what stays silent is looked up where results are stored.

import { createInbox, type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node'
import type { ClaimCheck, PayloadRef } from '@poolmesh/bus'
import {
  type DistributedTaskResult,
  isJsonObject,
  isTerminal,
  NOTES_AHEAD,
  PoolmeshError,
  SlotMap,
  SUBJECTS,
} from '@poolmesh/types'
import { ask, unavailable } from '../requests.ts'
import { AheadNotes } from './ahead.ts'
import type { LazyStoredTasks } from './lazy-stored-tasks.ts'
import { hasOutputRef, withOutput } from './outputs.ts'
import type { Submission } from './submission.ts'

export interface OutstandingOptions {
  nc: NatsConnection
  stored: LazyStoredTasks
  claims: ClaimCheck
  /** Milliseconds without news of a submission after which its results are looked up. */
  silenceMs: number
}

/** Looking up waits twice as long each time, up to this. */
const LONGEST_SILENCE_MS = 60_000
/** Look-ups at one time. */
const LOOKUPS = 8
/** Every so many look-ups without a result it is asked whether the task is still known at all. */
const ASK_STATUS_EVERY = 3
/** `pm_` and 22 characters, then `-` and the index. */
const BATCH_ID_LENGTH = 25

interface Watched {
  readonly submission: Submission
  lookAt: number
  silenceMs: number
  looks: number
  looking: boolean
}

export class OutstandingTasks implements Disposable {
  readonly #options: OutstandingOptions
  readonly #watched = new SlotMap<string, Watched>()
  readonly #deletions = new Set<Promise<void>>()
  readonly #subscription: Subscription
  readonly #timer: NodeJS.Timeout
  #looking = 0
  #closed = false
  /** Where results are to be told: the value of the header `Poolmesh-Notify`. */
  readonly inbox = `${createInbox()}${NOTES_AHEAD.end}`
  readonly #ahead = new AheadNotes()

  constructor(options: OutstandingOptions) {
    this.#options = options
    this.#subscription = options.nc.subscribe(`${NOTES_AHEAD.of(this.inbox)}.>`, {
      callback: (error, message) => {
        if (!error) this.#hear(message)
      },
    })
    this.#timer = setInterval(() => this.#lookAfterSilent(), Math.min(1_000, options.silenceMs / 2))
    void this.#followConnection()
  }

  /** Submissions that are not over. */
  get submissions(): number {
    return this.#watched.size
  }

  has(id: string): boolean {
    return this.#watched.has(id)
  }

  /** The submission that a task is in; undefined: it has not left the packer, or is over. */
  submissionOf(taskId: string): Submission | undefined {
    const watched = this.#watched.get(taskId) ?? this.#watched.get(taskId.slice(0, BATCH_ID_LENGTH))
    return watched?.submission
  }

  add(submission: Submission): void {
    const { silenceMs } = this.#options
    const lookAt = performance.now() + silenceMs
    this.#watched.set(submission.id, { submission, lookAt, silenceMs, looks: 0, looking: false })
  }

  /** To be called when tasks of it were dropped or have failed. */
  removeIfOver(submission: Submission): void {
    if (submission.open === 0 && this.#watched.get(submission.id)?.submission === submission)
      this.#watched.delete(submission.id)
  }

  #hear(received: Msg): void {
    const { subject } = received
    const message = subject === this.inbox ? received : this.#ahead.hear(subject, received)
    if (!message) return
    let body: unknown
    try {
      body = message.json()
    } catch {
      return
    }
    if (Array.isArray(body)) for (const result of body) this.#deliver(result)
    else this.#deliver(body)
  }

  #deliver(value: unknown): void {
    if (!isJsonObject(value) || typeof value['task_id'] !== 'string' || !isTerminal(value['status'])) return
    const result = value as DistributedTaskResult
    const id = result.task_id
    let watched = this.#watched.get(id)
    let index = 0
    if (!watched?.submission.alone) {
      watched = this.#watched.get(id.slice(0, BATCH_ID_LENGTH))
      index = Number(id.slice(BATCH_ID_LENGTH + 1))
    }
    if (!watched?.submission.isOpen(index)) return
    watched.lookAt = performance.now() + this.#options.silenceMs
    watched.silenceMs = this.#options.silenceMs
    if (hasOutputRef(result)) void this.#settleWithOutput(watched, index, result)
    else this.#settle(watched, index, result)
  }

  async #settleWithOutput(watched: Watched, index: number, result: DistributedTaskResult): Promise<void> {
    const whole = await withOutput(this.#options.claims, result)
    if (this.#watched.get(watched.submission.id) === watched) this.#settle(watched, index, whole)
  }

  #settle(watched: Watched, index: number, result: DistributedTaskResult): void {
    const { submission } = watched
    submission.settle(index, result)
    if (submission.open > 0) return
    this.#watched.delete(submission.id)
    // The task has ended for good, so nobody reads its payload any more, unless it is a dead letter now: that may be sent
    // again. What is left over expires.
    const isDead = result.metadata['reason'] === 'POISON'
    if (submission.payloadRef && !isDead) this.#deletePayload(submission.payloadRef)
  }

  #deletePayload(ref: PayloadRef): void {
    const deletion = this.#options.claims.delete(ref).then(
      () => {},
      () => {},
    )
    this.#deletions.add(deletion)
    void deletion.then(() => this.#deletions.delete(deletion))
  }

  /** Resolves when payloads that nobody reads any more are deleted, as far as they could be. */
  async payloadsDeleted(): Promise<void> {
    await Promise.all(this.#deletions)
  }

  #lookAfterSilent(): void {
    const now = performance.now()
    for (const watched of this.#watched.values()) {
      if (this.#looking >= LOOKUPS) return
      if (watched.lookAt <= now && !watched.looking && watched.submission.stored) void this.#look(watched)
    }
  }

  /** Looks for stored results of it now. */
  async lookUp(id: string): Promise<void> {
    const watched = this.#watched.get(id)
    if (watched && !watched.looking) await this.#look(watched)
  }

  async #look(watched: Watched): Promise<void> {
    this.#looking++
    watched.looking = true
    const { submission } = watched
    try {
      await this.#readStored(submission)
      if (submission.open > 0 && ++watched.looks % ASK_STATUS_EVERY === 0)
        await this.#failIfUnknown(submission)
    } catch {
      // Whoever was asked is away; the next look asks again.
    } finally {
      this.#looking--
      watched.looking = false
      watched.silenceMs = Math.min(LONGEST_SILENCE_MS, watched.silenceMs * 2)
      watched.lookAt = performance.now() + watched.silenceMs * (0.75 + Math.random() / 2)
    }
    if (!this.#closed) this.#lookAfterSilent()
  }

  async #readStored(submission: Submission): Promise<void> {
    const { results } = await (await this.#options.stored.get()).under(submission.resultSubject)
    for (const result of results) this.#deliver(result)
  }

  /** A stored task is pending or has a result; one that is neither was deleted by somebody, or its result has expired. */
  async #failIfUnknown(submission: Submission): Promise<void> {
    const taskId = submission.firstOpen()
    if (taskId === null) return
    try {
      await ask(this.#options.nc, SUBJECTS.taskStatus, { task_id: taskId })
      return
    } catch (error) {
      if (!(error instanceof PoolmeshError) || error.code !== 'NOT_FOUND') return
    }
    // It may have ended between the two questions.
    await this.#readStored(submission)
    submission.failOpen(
      (id) =>
        new PoolmeshError(
          'NOT_FOUND',
          `the task ${id} was stored and is not known any more: it was deleted, or its result has expired`,
        ),
    )
    this.removeIfOver(submission)
  }

  /** Notes that came while the connection was away are lost: what is outstanding is looked up soon. */
  async #followConnection(): Promise<void> {
    for await (const status of this.#options.nc.status()) {
      if (this.#closed) return
      if (status.type !== 'reconnect') continue
      const now = performance.now()
      for (const watched of this.#watched.values()) {
        watched.silenceMs = this.#options.silenceMs
        watched.lookAt = Math.min(watched.lookAt, now + Math.random() * 1_000)
      }
    }
  }

  /** What is outstanding goes on in the system; here it fails. */
  close(): void {
    this.#closed = true
    clearInterval(this.#timer)
    this.#subscription.unsubscribe()
    const all = [...this.#watched.values()]
    this.#watched.clear()
    for (const { submission } of all)
      submission.failOpen((id) =>
        unavailable(`the client was closed before the task ${id} ended; ask for its result by its id`),
      )
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
