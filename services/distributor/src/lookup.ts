// What the streams know of a fan-out that somebody began before: the pools it goes to, the results of its branches, and
// which of them are pending.
import { type DirectStreamAPI, jetstreamManager, type StoredMsg } from '@nats-io/jetstream'
import { headers, type NatsConnection } from '@nats-io/transport-node'
import { type Publisher, WRONG_LAST_SEQUENCE } from '@poolmesh/bus'
import {
  branchResultSubject,
  type DistributedTaskResult,
  HEADERS,
  PoolmeshError,
  type PriorityLane,
  STREAMS,
} from '@poolmesh/types'

/** Subjects that one request names; the server answers with 1,024 messages at most. */
const SUBJECTS_A_REQUEST = 300
/** Outputs of branches that come at one time. */
const BYTES_A_REQUEST = 8 * 1024 ** 2

/** Beside the branches' results, under a token that is no id (`:`), so that nobody takes it for one. */
const planSubject = (parent: string): string => `task.branch.plan:${parent}`

export interface StoredBranch {
  result: DistributedTaskResult
  bytes: number
}

export class BranchLookup {
  readonly #direct: DirectStreamAPI
  readonly #publisher: Publisher

  private constructor(direct: DirectStreamAPI, publisher: Publisher) {
    this.#direct = direct
    this.#publisher = publisher
  }

  static async open(nc: NatsConnection, publisher: Publisher): Promise<BranchLookup> {
    return new BranchLookup((await jetstreamManager(nc)).direct, publisher)
  }

  /** The pools that `all` meant when the fan-out began, or null where it has not. */
  async plan(parent: string): Promise<string[] | null> {
    const [message] = await this.#last(STREAMS.results, [planSubject(parent)])
    return message ? message.json<{ pools: string[] }>().pools : null
  }

  /**
   * Lays down which pools `all` means, since a branch's id names a place in that list: whoever takes the fan-out over
   * has to find the same. The first to write decides.
   * @returns null where that could not be stored
   */
  async layDown(parent: string, pools: string[]): Promise<{ pools: string[]; mine: boolean } | null> {
    const h = headers()
    h.set(HEADERS.expectedLastSubjectSequence, '0')
    const outcome = await this.#publisher.store(planSubject(parent), JSON.stringify({ pools }), h)
    if (outcome.kind === 'stored') return { pools, mine: true }
    if (outcome.kind === 'refused' && outcome.code === 413)
      throw new PoolmeshError(
        'INVALID_INPUT',
        `a fan-out to ${pools.length} pools is too large for a message`,
      )
    if (outcome.kind === 'refused' && !WRONG_LAST_SEQUENCE.has(outcome.code)) return null
    const theirs = await this.plan(parent)
    return theirs && { pools: theirs, mine: false }
  }

  /** The stored results among these branches; told as they come, since together they may be large. */
  async results(branchIds: string[], found: (branch: StoredBranch) => void): Promise<void> {
    for (const ids of chunks(branchIds, SUBJECTS_A_REQUEST)) {
      const missing = new Set(ids.map(branchResultSubject))
      // An answer may end early for its size: what is left is asked for again, until nothing comes any more.
      for (let more = true; more && missing.size > 0; ) {
        more = false
        for (const message of await this.#last(STREAMS.results, [...missing])) {
          more = missing.delete(message.subject) || more
          for (const result of asList(message.json()))
            if (ids.includes(result.task_id)) found({ result, bytes: message.data.length })
        }
      }
    }
  }

  /** Those of the branches that wait in a lane, are in flight, or are parked. */
  async pending(branchIds: string[], lane: PriorityLane): Promise<Set<string>> {
    const pending = new Set<string>()
    for (const ids of chunks(branchIds, SUBJECTS_A_REQUEST / 3)) {
      const filters = ids.flatMap((id) => [
        `task.submitted.${lane}.${id}`,
        `task.submitted.${lane}-back.${id}`,
        `task.parked.*.${lane}.${id}`,
      ])
      for (const message of await this.#last(STREAMS.tasks, filters))
        pending.add(message.subject.slice(message.subject.lastIndexOf('.') + 1))
    }
    return pending
  }

  async #last(stream: string, subjects: string[]): Promise<StoredMsg[]> {
    const messages: StoredMsg[] = []
    try {
      const answer = await this.#direct.getLastMessagesFor(stream, {
        multi_last: subjects,
        batch: 1_000,
        max_bytes: BYTES_A_REQUEST,
      })
      for await (const message of answer) messages.push(message)
    } catch (cause) {
      if (/no message|no results|not found/i.test((cause as Error).message)) return messages
      throw new PoolmeshError(
        'UNAVAILABLE',
        `the stored branches cannot be read now: ${(cause as Error).message}`,
        [],
        { cause },
      )
    }
    return messages
  }
}

function* chunks<T>(items: T[], size: number): Iterable<T[]> {
  for (let i = 0; i < items.length; i += size) yield items.slice(i, i + size)
}

const asList = (value: unknown): DistributedTaskResult[] =>
  (Array.isArray(value) ? value : [value]) as DistributedTaskResult[]
