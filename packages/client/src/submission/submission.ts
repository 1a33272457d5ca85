// One message of the stream of pending tasks, from its making to the last result of its tasks.
import { nuid } from '@nats-io/transport-node'
import type { PayloadRef } from '@poolmesh/bus'
import {
  completedSubject,
  type DistributedTaskResult,
  type Lane,
  submittedSubject,
  taskIdInBatch,
} from '@poolmesh/types'

/** Who waits for a task. Each method is called at most once, `settle` or `fail` last. */
export interface TaskSink {
  stored?(taskId: string): void
  settle(result: DistributedTaskResult): void
  fail(taskId: string, error: unknown): void
}

/**
 * Ids that nobody else can have used: executors need not look for an older result of them when they see them for the
 * first time.
 */
export const newSubmissionId = (): string => `pm_${nuid.next()}`

export interface SubmissionSpec {
  id: string
  lane: Lane
  /** JSON of a task, or of an array of them. */
  text: string
  /** A task as an object, whose id is the submission's; else an array. */
  alone: boolean
  /** The id comes from the caller: somebody else may have used it. */
  chosen?: boolean
  /** The broker refuses for being full: try again until the time is over, instead of failing. */
  patient?: boolean
  sinks: TaskSink[]
  /** Where the task's payload lies, if not in the text. */
  payloadRef?: PayloadRef | null
}

export class Submission {
  readonly id: string
  readonly subject: string
  readonly resultSubject: string
  readonly alone: boolean
  readonly chosen: boolean
  readonly patient: boolean
  readonly payloadRef: PayloadRef | null
  readonly size: number
  /** Empty once nobody needs it any more. */
  text: string
  stored = false
  /** Publishes that the broker has not answered: each may have stored it or not. */
  unanswered = 0
  /** Called once, when the text is not needed any more: it is stored, or nobody waits for its tasks. */
  whenReleased: (() => void) | null = null
  #open: number
  readonly #sinks: (TaskSink | null)[]

  constructor(spec: SubmissionSpec) {
    this.id = spec.id
    this.subject = submittedSubject(spec.lane, spec.id)
    this.resultSubject = completedSubject(spec.id)
    this.alone = spec.alone
    this.chosen = spec.chosen === true
    this.patient = spec.patient === true
    this.payloadRef = spec.payloadRef ?? null
    this.text = spec.text
    this.size = spec.sinks.length
    this.#sinks = spec.sinks
    this.#open = spec.sinks.length
  }

  /** Tasks without a result. */
  get open(): number {
    return this.#open
  }

  taskId(index: number): string {
    return this.alone ? this.id : taskIdInBatch(this.id, index)
  }

  /** Of a task that is in it. */
  indexOf(taskId: string): number {
    return this.alone ? 0 : Number(taskId.slice(this.id.length + 1))
  }

  /** The id of some task without a result, or null. */
  firstOpen(): string | null {
    const index = this.#sinks.findIndex((sink) => sink !== null)
    return index < 0 ? null : this.taskId(index)
  }

  /** Whether a task of that index has no result yet. */
  isOpen(index: number): boolean {
    return this.#sinks[index] != null
  }

  markStored(): void {
    if (this.stored) return
    this.stored = true
    this.#release()
    for (let i = 0; i < this.#sinks.length; i++) this.#sinks[i]?.stored?.(this.taskId(i))
  }

  /** Nothing happens when it is settled already: a result may be told more than once. */
  settle(index: number, result: DistributedTaskResult): void {
    if (!this.isOpen(index)) return
    // A result proves that the task was stored, even where the broker's answer was lost.
    this.markStored()
    this.#take(index)?.settle(result)
  }

  failOpen(errorOf: (taskId: string) => unknown): void {
    for (let i = 0; i < this.#sinks.length; i++) {
      const taskId = this.taskId(i)
      this.#take(i)?.fail(taskId, errorOf(taskId))
    }
  }

  /** Nobody waits for that task any more. */
  drop(index: number): void {
    this.#take(index)
  }

  #take(index: number): TaskSink | null {
    const sink = this.#sinks[index] ?? null
    if (sink) {
      this.#sinks[index] = null
      this.#open--
      if (this.#open === 0) this.#release()
    }
    return sink
  }

  #release(): void {
    this.text = ''
    this.whenReleased?.()
    this.whenReleased = null
  }
}
