// What people do with dead letters: list them, look at one, send it again, take it out.
import { createHash } from 'node:crypto'
import { type JetStreamManager, jetstreamManager, type StoredMsg } from '@nats-io/jetstream'
import { headers, type NatsConnection } from '@nats-io/transport-node'
import {
  type ClaimCheck,
  isNothing,
  isPayloadRef,
  type Publisher,
  STREAM_FULL,
  WRONG_LAST_SEQUENCE,
} from '@poolmesh/bus'
import {
  type DeadLetter,
  type DeadListReply,
  type DeadPurgeReply,
  type DeadRetryReply,
  type DeadSummary,
  deadSubject,
  HEADERS,
  laneOf,
  PoolmeshError,
  STREAMS,
  submittedSubject,
} from '@poolmesh/types'

/** Letters are read whole for a list: no more of them than that at once. */
const LIST_BYTES = 8 * 1024 ** 2
/** Of an error, in a list. */
const ERROR_CHARACTERS = 300

export class DeadQuestions {
  readonly #jsm: JetStreamManager
  readonly #publisher: Publisher
  readonly #claims: ClaimCheck

  private constructor(jsm: JetStreamManager, publisher: Publisher, claims: ClaimCheck) {
    this.#jsm = jsm
    this.#publisher = publisher
    this.#claims = claims
  }

  static async open(nc: NatsConnection, publisher: Publisher, claims: ClaimCheck): Promise<DeadQuestions> {
    return new DeadQuestions(await jetstreamManager(nc), publisher, claims)
  }

  /** Oldest first; the cursor is the sequence of the last one. */
  async list(limit: number, cursor: string | null | undefined): Promise<DeadListReply> {
    const messages = await this.#jsm.direct.getBatch(STREAMS.dead, {
      seq: Number(cursor ?? 0) + 1,
      next_by_subj: deadSubject('*'),
      batch: limit,
      max_bytes: LIST_BYTES,
    })
    const dead: DeadSummary[] = []
    let last: StoredMsg | null = null
    try {
      for await (const message of messages) {
        dead.push(summaryOf(message.json<DeadLetter>()))
        last = message
      }
    } catch (cause) {
      if (!isNothing(cause)) throw unreadable(cause)
    }
    return { dead, cursor: last && last.pending > 0 ? String(last.seq) : null }
  }

  async get(taskId: string): Promise<DeadLetter> {
    return (await this.#find(taskId)).json<DeadLetter>()
  }

  /**
   * Stored as a new task first and only then taken out. The new id follows from the letter, so that whoever asks a second
   * time, at once or after a crash in between, finds the same task.
   */
  async retry(taskId: string): Promise<DeadRetryReply> {
    const message = await this.#find(taskId)
    const { task } = message.json<DeadLetter>()
    // A copy: the one that is there may expire before the new task is over.
    const ref = isPayloadRef(task.payload_ref)
      ? await this.#claims.put(await this.#claims.get(task.payload_ref))
      : null
    const again = {
      ...task,
      task_id: retryId(taskId, message.seq),
      metadata: { ...task.metadata, retry_of: taskId },
      ...(ref ? { payload_ref: ref } : {}),
    }
    const h = headers()
    h.set(HEADERS.expectedLastSubjectSequence, '0')
    // Somebody may have sent this very task again: executors look for its result first. 0: the time is the message's own.
    h.set(HEADERS.submitted, '0')
    const subject = submittedSubject(laneOf(task.priority), again.task_id)
    const outcome = await this.#publisher.store(subject, JSON.stringify(again), h)
    const pending = outcome.kind === 'refused' && WRONG_LAST_SEQUENCE.has(outcome.code)
    if (outcome.kind === 'refused' && STREAM_FULL.has(outcome.code))
      throw new PoolmeshError('OVERLOADED', 'the stream of pending tasks is full: try again later')
    if (outcome.kind !== 'stored' && !pending)
      throw new PoolmeshError('UNAVAILABLE', `it could not be submitted (${outcome.message}): try again`)
    // By its sequence: a newer letter of the same id stays. A second request may have been faster.
    await this.#jsm.streams.deleteMessage(STREAMS.dead, message.seq, false).catch(ignoreNothing)
    return { task_id: again.task_id, retry_of: taskId }
  }

  /** @param taskId undefined: all */
  async purge(taskId: string | undefined): Promise<DeadPurgeReply> {
    const { purged } = await this.#jsm.streams.purge(STREAMS.dead, { filter: deadSubject(taskId ?? '*') })
    return { purged }
  }

  async #find(taskId: string): Promise<StoredMsg> {
    const message = await this.#jsm.direct
      .getMessage(STREAMS.dead, { last_by_subj: deadSubject(taskId) })
      .catch((cause: unknown) => {
        if (isNothing(cause)) return null
        throw unreadable(cause)
      })
    if (!message)
      throw new PoolmeshError('NOT_FOUND', `${taskId} is no dead letter: it never was, or was taken out`)
    return message
  }
}

function summaryOf({ task, result, at }: DeadLetter): DeadSummary {
  const attempts = result.metadata['attempts']
  return {
    task_id: task.task_id,
    task_type: task.task_type,
    reason: String(result.metadata['reason']),
    error: result.error?.slice(0, ERROR_CHARACTERS) ?? null,
    at,
    ...(typeof attempts === 'number' ? { attempts } : {}),
  }
}

/** 22 characters, as in ids that the client package makes up. */
const retryId = (taskId: string, sequence: number): string =>
  `pm_${createHash('sha256').update(`${taskId} ${sequence}`).digest('hex').slice(0, 22)}`

const ignoreNothing = (cause: unknown): void => {
  if (!isNothing(cause)) throw unreadable(cause)
}

const unreadable = (cause: unknown): PoolmeshError =>
  new PoolmeshError('UNAVAILABLE', `dead letters cannot be reached now: ${(cause as Error).message}`, [], {
    cause,
  })
