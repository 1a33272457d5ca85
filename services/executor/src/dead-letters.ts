// Tasks that killed pool after pool go to the dead letters with their history.
//
// The result is stored first and decides. The letter follows from it and from the task's message, which is acknowledged
// only once the letter is stored: whoever takes over in between finds both and stores it (Nats-Msg-Id: once).
import { headers, type NatsConnection } from '@nats-io/transport-node'
import { type ClaimCheck, maxPayload, type Publisher } from '@poolmesh/bus'
import {
  type DeadLetter,
  type DistributedTask,
  type DistributedTaskResult,
  deadSubject,
  type ErrorCode,
} from '@poolmesh/types'
import type { Logger } from 'pino'
import { acknowledge, type Held } from './held.ts'

const RETRY_MS = 500
const POISON: ErrorCode = 'POISON'

export interface DeadLetterParts {
  publisher: Publisher
  claims: ClaimCheck
  /** Whether this executor dispatches now: only then it writes. */
  mayAct(): boolean
  log: Logger
}

export class DeadLetters {
  readonly #nc: NatsConnection
  readonly #parts: DeadLetterParts

  constructor(nc: NatsConnection, parts: DeadLetterParts) {
    this.#nc = nc
    this.#parts = parts
  }

  /**
   * Stores a letter for each of the batch's results that makes one.
   * @param stored results that are stored
   * @param taskOf a task of the batch by its id
   */
  bury(
    held: Held,
    stored: readonly DistributedTaskResult[],
    taskOf: (taskId: string) => DistributedTask | undefined,
  ): void {
    for (const result of stored) {
      if (result.status !== 'failed' || result.metadata?.['reason'] !== POISON) continue
      const task = taskOf(result.task_id)
      if (task) held.burial = both(held.burial, this.#store(task, result))
    }
  }

  /** Acknowledges the batch's message once its letters are stored. Where they are not, it is delivered again. */
  async acknowledge(held: Held): Promise<void> {
    if (held.burial === null || (await held.burial)) acknowledge(held)
  }

  /** @returns false: another executor dispatches now, and does it */
  async #store(task: DistributedTask, result: DistributedTaskResult): Promise<boolean> {
    const { mayAct, publisher, log } = this.#parts
    const h = headers()
    h.set('Nats-Msg-Id', `${task.task_id} ${result.metadata['submitted_at']}`)
    for (; mayAct(); await new Promise((resolve) => setTimeout(resolve, RETRY_MS))) {
      try {
        const outcome = await publisher.store(deadSubject(task.task_id), await this.#letter(task, result), h)
        if (outcome.kind === 'stored') {
          log.warn({ task_id: task.task_id, problem: result.error }, 'a task is a dead letter now')
          return true
        }
        log.warn({ task_id: task.task_id, outcome }, 'a dead letter cannot be stored now, trying again')
      } catch (error) {
        log.warn({ task_id: task.task_id, err: error }, 'a dead letter cannot be stored now, trying again')
      }
    }
    return false
  }

  /** With a payload that is too large for one message together with the result in the object store. */
  async #letter(task: DistributedTask, result: DistributedTaskResult): Promise<string> {
    const history = (result.metadata['history'] ?? []) as DeadLetter['history']
    const at = new Date().toISOString()
    const print = (kept: DistributedTask): string =>
      JSON.stringify({ task: kept, result, history, at } satisfies DeadLetter)
    const text = print(task)
    if (Buffer.byteLength(text) <= maxPayload(this.#nc)) return text
    return print({ ...task, payload: {}, payload_ref: await this.#parts.claims.put(task.payload) })
  }
}

async function both(one: Promise<boolean> | null, other: Promise<boolean>): Promise<boolean> {
  const [done, doneToo] = await Promise.all([one ?? true, other])
  return done && doneToo
}
