// Sending branches off, and ending those that lost.
import { headers, type NatsConnection } from '@nats-io/transport-node'
import {
  type ClaimCheck,
  type PayloadRef,
  type Publisher,
  type PublishOutcome,
  type StoredTasks,
  WRONG_LAST_SEQUENCE,
} from '@poolmesh/bus'
import { type Branch, branchPrinter, type FanOutTask } from '@poolmesh/core'
import {
  branchResultSubject,
  type DistributedTaskResult,
  HEADERS,
  laneOf,
  PoolmeshError,
  SUBJECTS,
  submittedSubject,
} from '@poolmesh/types'
import type { Logger } from 'pino'
import type { Parent } from './records.ts'
import type { FanOutTraces } from './traces.ts'

/** Where the results of branches are told: known to every distributor, so that one that takes over hears them too. */
const TOLD = 'poolmesh.branch'
export const TOLD_ANY = `${TOLD}.*`
const toldSubject = (parent: string): string => `${TOLD}.${parent}`
export const parentOfTold = (subject: string): string => subject.slice(TOLD.length + 1)

export interface BranchParts {
  publisher: Publisher
  stored: StoredTasks
  claims: ClaimCheck
  /** Null where traces are off. */
  traces: FanOutTraces | null
  log: Logger
}

/** `taken`: stored, or pending already. `again`: try later. `too_large`: it never will be. */
export type Submission = 'taken' | 'again' | 'too_large'

export class Branches {
  readonly #nc: NatsConnection
  readonly #parts: BranchParts

  constructor(nc: NatsConnection, parts: BranchParts) {
    this.#nc = nc
    this.#parts = parts
  }

  /** Prints the tasks of its branches. @param task the parent's, or what stands for it */
  printer(parent: Parent, task: FanOutTask = parent.task): (branch: Branch) => string {
    const { traces } = this.#parts
    return branchPrinter(task, traces ? (branch) => traces.traceparent(parent, branch) : undefined)
  }

  submit(parent: Parent, branch: Branch, done: (submission: Submission) => void): void {
    const h = headers()
    h.set(HEADERS.expectedLastSubjectSequence, '0')
    h.set(HEADERS.parent, parent.task.task_id)
    h.set(HEADERS.notify, toldSubject(parent.task.task_id))
    const subject = submittedSubject(laneOf(parent.task.priority), branch.id)
    const { print } = parent
    this.#parts.publisher.publish(subject, print(branch), h, (outcome) => {
      if (isTaken(outcome)) done('taken')
      else if (outcome.kind === 'refused' && outcome.code === 413) {
        // Another branch may have found out before, and it is smaller by now.
        if (parent.print !== print) done('again')
        else if (parent.claimed) done('too_large')
        else void this.#claim(parent).then((claimed) => done(claimed ? 'again' : 'too_large'))
      } else {
        this.#parts.log.warn(
          { task_id: branch.id, pool_name: branch.pool, outcome },
          'a branch was not taken',
        )
        done('again')
      }
    })
  }

  /** What a branch has beyond its parent made it too large for a message: the payload goes through the object store. */
  #claim(parent: Parent): Promise<boolean> {
    const put = async (): Promise<boolean> => {
      try {
        const payload_ref: PayloadRef = await this.#parts.claims.put(parent.task.payload)
        parent.print = this.printer(parent, { ...parent.task, payload: {}, payload_ref })
        parent.claimed = true
        return true
      } catch (error) {
        this.#parts.log.warn({ err: error, task_id: parent.task.task_id }, 'the payload could not be stored')
        parent.claiming = null
        return error instanceof PoolmeshError && error.code === 'UNAVAILABLE'
      }
    }
    // One that came by reference has nothing more to give.
    if (parent.task['payload_ref']) return Promise.resolve(false)
    parent.claiming ??= put()
    return parent.claiming
  }

  /** Asks for the end of a branch, wherever it is. Its result tells what came of that. */
  cancel(branch: Branch, reason: string): void {
    if (!this.#nc.isClosed())
      this.#nc.publish(SUBJECTS.taskCancel, JSON.stringify({ task_id: branch.id, reason }))
  }

  /**
   * Ends a loser that nobody ended: its result is written by compare-and-set, so that whoever takes the branch up later
   * finds it ended, and whoever ended it meanwhile is believed.
   * @returns the result that is stored, or null where that could not be found out
   */
  async end(branch: Branch, result: DistributedTaskResult): Promise<DistributedTaskResult | null> {
    const subject = branchResultSubject(branch.id)
    const h = headers()
    h.set(HEADERS.expectedLastSubjectSequence, '0')
    const outcome = await this.#parts.publisher.store(subject, JSON.stringify(result), h)
    if (outcome.kind === 'stored') return result
    const { results } = await this.#parts.stored.under(subject)
    return results.find(({ task_id }) => task_id === branch.id) ?? null
  }
}

const isTaken = (outcome: PublishOutcome): boolean =>
  outcome.kind === 'stored' || (outcome.kind === 'refused' && WRONG_LAST_SEQUENCE.has(outcome.code))
