// Who submits and cancels: mirrors packages/client/src/submission/submitter.ts (tries again with the same id) and bare publishes.
import { type DistributedTask, laneOf } from '@poolmesh/types'
import type { Broker } from './broker.ts'
import type { Connection, Reply } from './network.ts'
import type { Oracle } from './oracle.ts'
import type { Process } from './process.ts'
import type { CancelReply } from './questions.ts'
import type { Outcome } from './store.ts'

const STORE_MS = 5_000
const FIRST_PAUSE_MS = 100
const LAST_PAUSE_MS = 2_000
const CANCEL_MS = 8_000

export interface Submission {
  readonly at: number
  readonly id: string
  readonly tasks: readonly DistributedTask[]
  /** Not in a batch. */
  readonly alone: boolean
  /** To plain `task.submitted`. */
  readonly bare: boolean
  /** How long after it a task of it is cancelled (ms), and which. */
  readonly cancels: readonly { afterMs: number; index: number }[]
}

export class Submitter {
  readonly #process: Process
  readonly #connection: Connection
  readonly #oracle: Oracle

  constructor(process: Process, connection: Connection, oracle: Oracle) {
    this.#process = process
    this.#connection = connection
    this.#oracle = oracle
  }

  send(submission: Submission): void {
    if (!submission.bare)
      this.#connection.subscribe<Parameters<Oracle['told']>[0]>(`notify.${submission.id}`, (results) =>
        this.#oracle.told(results),
      )
    this.#try(submission, 0)
  }

  #try(submission: Submission, tries: number): void {
    const { id } = submission
    const { broker } = this.#connection
    this.#connection.call<Outcome>(
      () => storeIn(broker, submission, tries > 0 || !id.startsWith('pm_')),
      STORE_MS,
      (reply) => {
        if (reply.kind === 'reply') this.#stored(submission)
        else {
          const pause = Math.min(LAST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** tries)
          this.#process.after(pause, () => this.#again(submission, tries + 1))
        }
      },
    )
  }

  /** An earlier try may have been stored, and have run and ended meanwhile: then its subject is empty again. */
  #again(submission: Submission, tries: number): void {
    const { store } = this.#connection.broker
    this.#connection.call(
      () => store.under(submission.id).lastSequence > 0,
      STORE_MS,
      (reply) => {
        if (reply.kind === 'reply' && reply.value) this.#stored(submission)
        else this.#try(submission, tries)
      },
    )
  }

  #stored({ cancels, tasks }: Submission): void {
    for (const { afterMs, index } of cancels) {
      const task = tasks[index]
      if (task) this.#process.after(afterMs, () => this.#cancel(task.task_id))
    }
  }

  #cancel(taskId: string): void {
    const losses = this.#oracle.powerLosses
    this.#connection.request('serve.cancel', taskId, CANCEL_MS, (reply: Reply<CancelReply>) => {
      if (reply.kind !== 'reply') return
      if (reply.value.cancelled) this.#oracle.confirmedCancelled(taskId, losses)
      else this.#oracle.saidStatus(taskId, reply.value.status, losses)
    })
  }
}

function storeIn(broker: Broker, { id, tasks, alone, bare }: Submission, again: boolean): Outcome {
  const [task] = tasks
  const lane = task?.fan_out ? 'fanout' : laneOf(task?.priority ?? 5)
  return broker.submit({
    feed: bare ? 'intake' : lane,
    id,
    at: broker.now,
    tasks,
    alone,
    submittedAt: 1_700_000_000_000 + broker.now,
    parent: null,
    again,
    origin: 0,
    parked: null,
  })
}
