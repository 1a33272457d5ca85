// Reading what the streams have: results by task, submissions by id. Direct gets, no consumer.
import type { DirectStreamAPI, JetStreamManager, StoredMsg } from '@nats-io/jetstream'
import { jetstreamManager } from '@nats-io/jetstream'
import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node'
import {
  batchOfTaskId,
  branchResultSubject,
  completedSubject,
  type DistributedTaskResult,
  PoolmeshError,
  STREAMS,
} from '@poolmesh/types'
import { Existence } from './existence.ts'

/** What is stored under one subject of RESULTS. */
export interface StoredResults {
  results: DistributedTaskResult[]
  /** Sequence of the last write, 0 when there is none. */
  lastSequence: number
  /** When the last write was stored; null when there is none. */
  at: string | null
}

/** A submission as it lies in TASKS. */
export interface StoredSubmission {
  subject: string
  sequence: number
  headers: MsgHdrs | undefined
  /** A task, or an array of them. */
  body: unknown
  at: string
}

/** Messages may go while they are read, by their age; more than that often they do not. */
const READ_TRIES = 3

const NOTHING: StoredResults = { results: [], lastSequence: 0, at: null }
const asList = (value: unknown): DistributedTaskResult[] =>
  (Array.isArray(value) ? value : [value]) as DistributedTaskResult[]

/** Whether a read failed because there is nothing of that kind. */
export const isNothing = (cause: unknown): boolean =>
  /no message|no results|not found/i.test((cause as Error).message)

/** The last value of a key as the copy that leads has it: in a cluster another copy may be behind. */
export async function readKey(jsm: JetStreamManager, bucket: string, key: string): Promise<StoredMsg | null> {
  return await jsm.streams
    .getMessage(`KV_${bucket}`, { last_by_subj: `$KV.${bucket}.${key}` })
    .catch((error: Error) => {
      if (isNothing(error)) return null
      throw error
    })
}

const unreadable = (cause: unknown): PoolmeshError =>
  new PoolmeshError('UNAVAILABLE', `the stored tasks cannot be read now: ${(cause as Error).message}`, [], {
    cause,
  })

export class StoredTasks implements Disposable {
  readonly #direct: DirectStreamAPI
  readonly #streams: JetStreamManager['streams']
  readonly #existence: Existence

  private constructor(nc: NatsConnection, jsm: JetStreamManager) {
    this.#direct = jsm.direct
    this.#streams = jsm.streams
    this.#existence = new Existence(nc)
  }

  static async open(nc: NatsConnection): Promise<StoredTasks> {
    return new StoredTasks(nc, await jetstreamManager(nc))
  }

  /** Whether anything is stored under the subject of RESULTS; null: the broker did not say. */
  exists(subject: string, done: (exists: boolean | null) => void): void {
    this.#existence.ask(subject, done)
  }

  /**
   * All that is stored under one subject of RESULTS.
   *
   * In a cluster each read may be answered by another copy of the stream, and one of them may be behind. To take what it
   * does not have yet for missing would let a second result pass the compare-and-set, so it is read from the leader then.
   * @param newest asks the copy that leads from the start: it is never behind, and takes longer
   * @throws PoolmeshError UNAVAILABLE
   */
  async under(subject: string, newest = false): Promise<StoredResults> {
    for (let tries = 1; tries <= READ_TRIES; tries++) {
      const found = await this.#readUnder(subject, newest || tries > 1)
      if (found) return found
    }
    throw unreadable(new Error('they go while they are read'))
  }

  /** @returns null where not all of it could be read */
  async #readUnder(subject: string, newest: boolean): Promise<StoredResults | null> {
    const last = await this.#get(STREAMS.results, { last_by_subj: subject }, newest)
    if (!last) return NOTHING
    const results: DistributedTaskResult[] = []
    let sequence = 1
    while (sequence <= last.seq) {
      const message = await this.#get(STREAMS.results, { seq: sequence, next_by_subj: subject }, newest)
      if (!message) return null
      results.push(...asList(message.json()))
      sequence = message.seq + 1
    }
    return { results, lastSequence: last.seq, at: last.time.toISOString() }
  }

  /**
   * The stored result of any task: submitted alone, in a batch, or as a branch of a fan-out.
   * @param newest see {@link under}
   */
  async result(
    taskId: string,
    newest = false,
  ): Promise<{ result: DistributedTaskResult; at: string } | null> {
    const batch = batchOfTaskId(taskId)
    const subjects = [
      completedSubject(taskId),
      branchResultSubject(taskId),
      ...(batch ? [completedSubject(batch)] : []),
    ]
    for (const subject of subjects) {
      const { results, at } = await this.under(subject, newest)
      const result = results.find((candidate) => candidate.task_id === taskId)
      if (result && at) return { result, at }
    }
    return null
  }

  /**
   * Results of these tasks under the subjects that they have when they are submitted in the other way: in a batch where they
   * are alone, alone where they are in a batch.
   */
  async otherwise(taskIds: string[], alone: boolean): Promise<DistributedTaskResult[]> {
    if (!alone) return await this.#lastOf(taskIds.map(completedSubject))
    const [taskId] = taskIds
    const batch = taskId === undefined ? null : batchOfTaskId(taskId)
    if (batch === null) return []
    const { results } = await this.under(completedSubject(batch))
    return results.filter((result) => result?.task_id === taskId)
  }

  async #lastOf(subjects: string[]): Promise<DistributedTaskResult[]> {
    const results: DistributedTaskResult[] = []
    try {
      const answer = await this.#direct.getLastMessagesFor(STREAMS.results, { multi_last: subjects })
      for await (const message of answer) results.push(...asList(message.json()))
    } catch (cause) {
      if (!isNothing(cause)) throw unreadable(cause)
    }
    return results
  }

  /**
   * The submission that has the task, pending or in flight: in a lane, or parked.
   * @param newest see {@link under}
   */
  async submission(taskId: string, newest = false): Promise<StoredSubmission | null> {
    const batch = batchOfTaskId(taskId)
    for (const id of batch ? [taskId, batch] : [taskId])
      for (const filter of [`task.submitted.*.${id}`, `task.parked.*.*.${id}`]) {
        const message = await this.#get(STREAMS.tasks, { seq: 1, next_by_subj: filter }, newest)
        if (!message) continue
        const body: unknown = message.json()
        const has = Array.isArray(body)
          ? body.some((task, i) => (task?.task_id ?? `${id}-${i}`) === taskId)
          : id === taskId
        if (has)
          return {
            subject: message.subject,
            sequence: message.seq,
            headers: message.header,
            body,
            at: message.time.toISOString(),
          }
      }
    return null
  }

  async #get(
    stream: string,
    query: { last_by_subj: string } | { seq: number; next_by_subj: string },
    newest = false,
  ): Promise<StoredMsg | null> {
    try {
      return await (newest ? this.#streams : this.#direct).getMessage(stream, query)
    } catch (cause) {
      if (isNothing(cause)) return null
      throw unreadable(cause)
    }
  }

  close(): void {
    this.#existence[Symbol.dispose]()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
