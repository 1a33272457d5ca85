import type { NatsConnection } from '@nats-io/transport-node'
import {
  type DeadLetter,
  type DeadListReply,
  type DeadListRequest,
  type DeadPurgeReply,
  type DeadRetryReply,
  type DeadSummary,
  SUBJECTS,
} from '@poolmesh/types'
import { ask, type RequestOptions } from './requests.ts'

/** Tasks that ended `failed` with reason `POISON`, kept for 7 days with what went wrong. */
export class DeadLetters {
  readonly #nc: NatsConnection

  constructor(nc: NatsConnection) {
    this.#nc = nc
  }

  /** One page, oldest first. */
  async list(request: DeadListRequest = {}, options: RequestOptions = {}): Promise<DeadListReply> {
    return await ask(this.#nc, SUBJECTS.deadList, request, options)
  }

  /** All of them, page after page. */
  async *iterate(options: RequestOptions = {}): AsyncGenerator<DeadSummary, void, void> {
    let cursor: string | null = null
    do {
      const page: DeadListReply = await this.list({ cursor }, options)
      yield* page.dead
      cursor = page.cursor
    } while (cursor !== null)
  }

  /** The task, its result and what went wrong with each try. @throws PoolmeshError NOT_FOUND */
  async get(taskId: string, options: RequestOptions = {}): Promise<DeadLetter> {
    return await ask(this.#nc, SUBJECTS.deadGet, { task_id: taskId }, options)
  }

  /**
   * Submits the task again, as a new one, and takes the letter out.
   * @throws PoolmeshError NOT_FOUND, also where its payload is no longer kept; OVERLOADED, UNAVAILABLE
   */
  async retry(taskId: string, options: RequestOptions = {}): Promise<DeadRetryReply> {
    return await ask(this.#nc, SUBJECTS.deadRetry, { task_id: taskId }, options)
  }

  /** Takes one out for good; 0 purged: there was none. */
  async purge(taskId: string, options: RequestOptions = {}): Promise<DeadPurgeReply> {
    return await ask(this.#nc, SUBJECTS.deadPurge, { task_id: taskId }, options)
  }

  /** Takes all of them out for good. */
  async purgeAll(options: RequestOptions = {}): Promise<DeadPurgeReply> {
    return await ask(this.#nc, SUBJECTS.deadPurge, { all: true }, options)
  }
}
