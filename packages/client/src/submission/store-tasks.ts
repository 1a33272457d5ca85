// Tasks stored under ids that can be made again: whoever was interrupted stores the same once more, and nothing is there
// twice. Nobody waits for their results.
import { createHash } from 'node:crypto'
import {
  type DistributedTaskInput,
  type DistributedTaskResult,
  type Lane,
  PoolmeshError,
} from '@poolmesh/types'
import { OpenBatch, submissionOf } from './packer.ts'
import type { Submission, TaskSink } from './submission.ts'
import type { Submissions } from './submissions.ts'

export interface StoreOutcome {
  /** Tasks that the broker has confirmed. */
  stored: number
  /** Tasks whose id was pending already: they are there, whoever stored them. */
  there: number
}

const ID_DIGITS = 22

/** As long as all ids of batches are. */
const idOf = (key: string, part: string | number): string =>
  `pm_${createHash('sha256').update(`${key}\n${part}`).digest('hex').slice(0, ID_DIGITS)}`

/** Told of a message once it is stored, and done with it then. */
class StoreSink implements TaskSink {
  readonly #outcome = Promise.withResolvers<StoreOutcome>()
  readonly #engine: Submissions
  submission: Submission | null = null
  #size = 1

  constructor(engine: Submissions) {
    this.#engine = engine
  }

  get outcome(): Promise<StoreOutcome> {
    return this.#outcome.promise
  }

  send(submission: Submission): void {
    this.submission = submission
    this.#size = submission.size
    this.#engine.send(submission)
  }

  stored(): void {
    this.#outcome.resolve({ stored: this.#size, there: 0 })
    // Behind the caller, who has yet to tell the other tasks of the message.
    queueMicrotask(() => this.#letGo())
  }

  settle(_result: DistributedTaskResult): void {
    this.#outcome.resolve({ stored: this.#size, there: 0 })
  }

  fail(_taskId: string, error: unknown): void {
    if (isThere(error)) this.#outcome.resolve({ stored: 0, there: this.#size })
    else this.#outcome.reject(error)
  }

  #letGo(): void {
    const { submission } = this
    if (!submission) return
    for (let i = 0; i < submission.size; i++) submission.drop(i)
    this.#engine.outstanding.removeIfOver(submission)
  }
}

const isThere = (error: unknown): boolean => error instanceof PoolmeshError && error.code === 'CONFLICT'

/** @throws PoolmeshError INVALID_INPUT before anything is stored; what the broker says, after */
export async function storeTasks(
  engine: Submissions,
  key: string,
  tasks: readonly DistributedTaskInput[],
): Promise<StoreOutcome> {
  const open = new Map<Lane, { batch: OpenBatch; sink: StoreSink }>()
  const sends: (() => Promise<StoreOutcome>)[] = []
  let parts = 0
  for (const [index, input] of tasks.entries()) {
    try {
      const task = engine.prepare(input)
      if (task.alone || engine.isTooLarge(task)) {
        const named = { ...input, task_id: task.id ?? idOf(key, `alone ${index}`) }
        sends.push(() => storeAlone(engine, named))
        continue
      }
      let filling = open.get(task.lane)
      if (!filling?.batch.takes(task)) {
        // Which tasks share a message depends on the tasks alone, and so does its id.
        const batch = new OpenBatch(task.lane, { patient: true, id: idOf(key, parts++) })
        const sink = new StoreSink(engine)
        filling = { batch, sink }
        open.set(task.lane, filling)
        sends.push(() => {
          sink.send(batch.close())
          return sink.outcome
        })
      }
      filling.batch.add(task, filling.sink)
    } catch (error) {
      if (!isThere(error)) throw error
      sends.push(async () => ({ stored: 0, there: 1 }))
    }
  }
  const outcomes = await Promise.all(sends.map((send) => send()))
  return {
    stored: outcomes.reduce((sum, { stored }) => sum + stored, 0),
    there: outcomes.reduce((sum, { there }) => sum + there, 0),
  }
}

async function storeAlone(
  engine: Submissions,
  input: DistributedTaskInput & { task_id: string },
): Promise<StoreOutcome> {
  const sink = new StoreSink(engine)
  try {
    const task = engine.prepare(input)
    if (engine.isTooLarge(task)) sink.submission = await engine.sendLarge(input, task, input.task_id, sink)
    else sink.send(submissionOf(task, sink, true))
  } catch (error) {
    if (!isThere(error)) throw error
    return { stored: 0, there: 1 }
  }
  return await sink.outcome
}
