import { activeTrace, type Logger, type Progress, type ProgressOf } from '@poolmesh/bus'
import { TimedItem } from '@poolmesh/core'
import type { DistributedTask } from '@poolmesh/types'
import type { HandlerContext } from './definition.ts'
import type { Reply } from './outbox.ts'

/** Why a run ends before its handler does. `refused`: the pool stops, and the task runs elsewhere. */
export interface Ending {
  status: 'cancelled' | 'timeout' | 'refused'
  error: string
}

/** An owner whose executor died may be followed by another; beyond that, somebody sends nonsense. */
const MAX_REPLIES = 4

/** One run of one task, from its arrival to its answer. */
export class Run extends TimedItem {
  task: DistributedTask
  readonly attempt: number
  /** Among those that have a worker. */
  place = -1
  /** Among those that wait; 0 for one that never has. */
  queuedAs = 0
  /** Everyone who asked for this run; each gets the one answer. */
  readonly replies: Reply[]
  /** By `performance.now()`. */
  readonly dueAt: number
  /** 0 until it has a worker. */
  startedAt = 0
  ending: Ending | null = null
  answered = false
  #controller: AbortController | null = null

  constructor(task: DistributedTask, attempt: number, reply: Reply, now: number) {
    super()
    this.task = task
    this.attempt = attempt
    this.replies = [reply]
    this.dueAt = now + task.timeout * 1000
  }

  /** The same run was asked for again: by the same message delivered twice, or by the batch's next owner. */
  alsoFor(reply: Reply): void {
    if (this.replies.some((known) => known.subject === reply.subject)) return
    if (this.replies.length === MAX_REPLIES) this.replies.shift()
    this.replies.push(reply)
  }

  /** The first ending stands. */
  end(ending: Ending): void {
    if (this.ending) return
    this.ending = ending
    this.#controller?.abort(reasonOf(ending))
  }

  /** Made when it is asked for: most handlers never look, and a controller costs more than the rest of a run. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      if (this.ending) this.#controller.abort(reasonOf(this.ending))
    }
    return this.#controller.signal
  }
}

/** What is told of a run's progress in that pool. */
export const progressOf =
  (pool: string) =>
  ({ task, attempt }: Run): ProgressOf => ({ pool, task_id: task.task_id, attempt })

const reasonOf = (ending: Ending): DOMException =>
  new DOMException(ending.error, ending.status === 'timeout' ? 'TimeoutError' : 'AbortError')

/** What the handler sees of its run. */
export class RunContext implements HandlerContext {
  readonly #run: Run
  readonly #log: Logger
  readonly #progress: Progress<Run>

  constructor(run: Run, log: Logger, progress: Progress<Run>) {
    this.#run = run
    this.#log = log
    this.#progress = progress
  }

  get signal(): AbortSignal {
    return this.#run.signal
  }

  get log(): Logger {
    return this.#log.child({ task_id: this.#run.task.task_id })
  }

  get deadline(): Date {
    return new Date(Date.now() + this.#run.dueAt - performance.now())
  }

  get attempt(): number {
    return this.#run.attempt
  }

  get traceparent(): string | null {
    const traceparent = activeTrace()?.traceparent ?? this.#run.task.metadata['traceparent']
    return typeof traceparent === 'string' ? traceparent : null
  }

  /** A function and no method, so that it can be taken out of the context. */
  get progress(): HandlerContext['progress'] {
    return (fraction, message) => {
      if (!this.#run.answered) this.#progress.report(this.#run, fraction, message)
    }
  }
}
