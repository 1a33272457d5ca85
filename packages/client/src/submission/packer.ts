// Packs tasks that are submitted at the same time: a lone task leaves at once; what comes while its lane waits for the
// broker's answer is the next batch. So a batch costs nobody a delay, and grows with the load by itself.
import { type Lane, LINE_BREAK, MAX_BATCH_BYTES, MAX_BATCH_TASKS } from '@poolmesh/types'
import { type PreparedTask, withTaskId } from './prepared-task.ts'
import { newSubmissionId, Submission, type TaskSink } from './submission.ts'

/** A batch that takes more tasks. Its id is made first, so that each task has its id from the beginning. */
export class OpenBatch {
  readonly id: string
  readonly #lane: Lane
  readonly #patient: boolean
  readonly #maxTasks: number
  readonly #chosen: boolean
  readonly #sinks: TaskSink[] = []
  #text = ''
  #bytes = 2

  /** @param options.id of 25 characters; left out: one that nobody else can have used */
  constructor(lane: Lane, options: { patient?: boolean; maxTasks?: number; id?: string } = {}) {
    this.id = options.id ?? newSubmissionId()
    this.#chosen = options.id !== undefined
    this.#lane = lane
    this.#patient = options.patient === true
    this.#maxTasks = options.maxTasks ?? MAX_BATCH_TASKS
  }

  get isFull(): boolean {
    return this.#sinks.length >= this.#maxTasks
  }

  takes(task: PreparedTask): boolean {
    return !this.isFull && this.#bytes + task.bytes + 2 <= MAX_BATCH_BYTES
  }

  /** @returns the task's index in the batch */
  add(task: PreparedTask, sink: TaskSink): number {
    this.#text += this.#sinks.length === 0 ? `[${task.text}` : `${LINE_BREAK}${task.text}`
    this.#bytes += task.bytes + 2
    return this.#sinks.push(sink) - 1
  }

  close(): Submission {
    return new Submission({
      id: this.id,
      lane: this.#lane,
      text: `${this.#text}]`,
      alone: false,
      chosen: this.#chosen,
      patient: this.#patient,
      sinks: this.#sinks,
    })
  }
}

interface LaneState {
  /** Publishes that the broker has not answered. */
  outstanding: number
  open: OpenBatch | null
}

export type Send = (submission: Submission, firstAnswer?: () => void) => void

export class Packer {
  readonly #send: Send
  readonly #lanes = new Map<Lane, LaneState>()

  constructor(send: Send) {
    this.#send = send
  }

  /** @returns the task's id */
  add(task: PreparedTask, sink: TaskSink): string {
    if (task.alone) {
      const submission = submissionOf(task, sink)
      this.#send(submission)
      return submission.id
    }
    const lane = this.#lane(task.lane)
    if (lane.outstanding === 0 && !lane.open) {
      const submission = submissionOf(task, sink)
      this.#leave(lane, submission)
      return submission.id
    }
    if (lane.open && !lane.open.takes(task)) this.#flush(lane)
    lane.open ??= new OpenBatch(task.lane)
    const batch = lane.open
    const index = batch.add(task, sink)
    if (batch.isFull) this.#flush(lane)
    return `${batch.id}-${index}`
  }

  #lane(name: Lane): LaneState {
    let lane = this.#lanes.get(name)
    if (!lane) {
      lane = { outstanding: 0, open: null }
      this.#lanes.set(name, lane)
    }
    return lane
  }

  #flush(lane: LaneState): void {
    const { open } = lane
    lane.open = null
    if (open) this.#leave(lane, open.close())
  }

  #leave(lane: LaneState, submission: Submission): void {
    lane.outstanding++
    this.#send(submission, () => {
      lane.outstanding--
      this.#flush(lane)
    })
  }

  /** Sends what is open, whether the broker has answered or not. */
  flush(): void {
    for (const lane of this.#lanes.values()) this.#flush(lane)
  }
}

/** A task in a message of its own. */
export function submissionOf(task: PreparedTask, sink: TaskSink, patient = false): Submission {
  const id = task.id ?? newSubmissionId()
  return new Submission({
    id,
    lane: task.lane,
    text: task.id === null ? withTaskId(task.text, id) : task.text,
    alone: true,
    chosen: task.id !== null,
    patient,
    sinks: [sink],
  })
}
