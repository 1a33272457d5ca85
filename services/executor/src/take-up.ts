// Takes batches from the lanes into the engine: read, checked, compared with what is stored already.
import type { JetStreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import type { LaneConsumer, Publisher, StoredResults, StoredTasks, TaskMessage } from '@poolmesh/bus'
import { isConsumerGone, Puller, WRONG_LAST_SEQUENCE } from '@poolmesh/bus'
import type { TaskEngine } from '@poolmesh/core'
import {
  batchOfTaskId,
  branchResultSubject,
  completedSubject,
  type DistributedTask,
  HEADERS,
  isId,
  MAX_BATCH_TASKS,
  PoolmeshError,
  type PriorityLane,
  parseJson,
  parseLines,
  parseTask,
  type RoutingStrategy,
  STREAMS,
  submittedSubject,
  taskIdInBatch,
} from '@poolmesh/types'
import type { Logger } from 'pino'
import type { DeadLetters } from './dead-letters.ts'
import { again, type Held } from './held.ts'
import { onward } from './intake.ts'
import { type Rejections, refusedResult } from './rejections.ts'

/** Ids that the client package makes up: nobody else can have used one, so a first delivery has no stored result. */
const MADE_UP_ID = /^pm_[A-Za-z0-9]{22}$/
/** `[`: the message is an array. */
const BRACKET = 0x5b
const SECOND_MS = 1_000
const NO_RESULTS: StoredResults = { results: [], lastSequence: 0, at: null }

export interface TakeUpOptions {
  lanes: readonly LaneConsumer[]
  /** All that a predecessor held has been taken up. */
  onRecovered(): void
  /** Our consumers are not there any more. */
  onGone(): void
  jsm: JetStreamManager
  engine: TaskEngine<Held>
  stored: StoredTasks
  publisher: Publisher
  rejections: Rejections
  dead: DeadLetters
  defaultStrategy: RoutingStrategy
  log: Logger
}

export class TakeUp implements Disposable {
  readonly #options: TakeUpOptions
  readonly #pullers: Puller[] = []
  /** The last sequence that came, by consumer. */
  readonly #highest = new Map<string, number>()
  #over = false
  #untold = 0
  #toldAt = Number.NEGATIVE_INFINITY
  /** Messages that are being looked up, so not in the engine yet. */
  #looking = 0
  /** Tasks in a message, lately: room is counted in tasks, messages are asked for. */
  #tasksPerMessage = 1
  /** Messages that a predecessor held and that have not come yet; Infinity once that has been told. */
  #missing: number

  constructor(nc: NatsConnection, options: TakeUpOptions) {
    this.#options = options
    this.#missing = options.lanes.reduce((sum, { openBefore }) => sum + openBefore, 0)
    for (const lane of options.lanes)
      this.#pullers.push(
        new Puller(nc, {
          stream: STREAMS.tasks,
          consumer: lane.name,
          room: () => this.#room(lane.lane),
          onMessage: (message) => {
            const handedOver = message.deliveries > 1 || message.sequence <= lane.deliveredBefore
            if (handedOver && message.deliveries === 1) this.#missing--
            this.#lookBack(message, lane.name)
            this.#take(message, lane.lane, handedOver)
            this.#whenRecovered()
          },
          onMissing: () => void this.#whenGone(lane.name),
        }),
      )
    this.#whenRecovered()
  }

  /** Nobody answers for a consumer while it has no leader either; to make another then would take only longer. */
  async #whenGone(consumer: string): Promise<void> {
    if ((await isConsumerGone(this.#options.jsm, STREAMS.tasks, consumer)) && !this.#over)
      this.#options.onGone()
  }

  #whenRecovered(): void {
    if (this.#missing > 0 || this.#looking > 0) return
    this.#missing = Number.POSITIVE_INFINITY
    this.#options.onRecovered()
  }

  #room(lane: PriorityLane): number {
    const tasks = this.#options.engine.room(lane) - this.#looking
    return tasks <= 0 ? 0 : Math.max(1, tasks / this.#tasksPerMessage)
  }

  /** There may be room again. */
  nudge(): void {
    for (const puller of this.#pullers) puller.nudge()
  }

  reset(): void {
    for (const puller of this.#pullers) puller.reset()
  }

  /**
   * Where a sequence comes for the first time that was there before, the server has lost its last messages: all that is held
   * from there on is gone.
   */
  #lookBack({ sequence, subject, deliveries }: TaskMessage, consumer: string): void {
    const before = this.#highest.get(consumer) ?? 0
    this.#highest.set(consumer, Math.max(before, sequence))
    if (sequence > before) return
    const { engine } = this.#options
    const id = subject.slice(subject.lastIndexOf('.') + 1)
    // Nothing but a redelivery.
    if (deliveries > 1 && engine.holds(id)?.handle.message.sequence === sequence) return
    for (const { handle } of engine.batches()) {
      const held = handle.message
      const isAnother = held.sequence === sequence && held.subject !== subject
      if (isAnother || (deliveries === 1 && held.sequence > sequence)) handle.isGone = true
    }
  }

  /** Takes a task from a message that is in no lane. @returns false: there is no room */
  takeDirectly(message: TaskMessage, id: string, lane: PriorityLane): boolean {
    if (this.#over || this.#room(lane) === 0) return false
    this.#take(message, lane, message.deliveries > 1, id)
    return true
  }

  #take(
    message: TaskMessage,
    lane: PriorityLane,
    handedOver: boolean,
    id = message.subject.slice(message.subject.lastIndexOf('.') + 1),
  ): void {
    const { engine } = this.#options
    const held = engine.holds(id)
    if (held) {
      again(held, message)
      return
    }
    const { branch, submitted, notify } = readHeaders(message)
    const subject = branch ? branchResultSubject(id) : completedSubject(id)
    const submittedAt = Number(submitted) || message.at
    const one = { message, lane, id, subject, handedOver, submittedAt, notify }
    if (!handedOver && submitted === null && MADE_UP_ID.test(id)) {
      this.#accept(one, NO_RESULTS)
      return
    }
    this.#looking++
    // An id of the form <batch>-<index> may have been run in the other way, in a batch or alone.
    const other = branch || MADE_UP_ID.test(id) ? null : this.#otherIds(message, id)
    this.#options.stored.exists(subject, (exists) => {
      if (exists === true || (exists === false && other)) void this.#compare(one, other)
      else
        this.#looked(() => {
          if (exists === false) this.#accept(one, NO_RESULTS)
          else message.nak(500)
        })
    })
  }

  #otherIds(message: TaskMessage, id: string): { ids: string[]; alone: boolean } | null {
    if (batchOfTaskId(id) !== null) return { ids: [id], alone: true }
    const read = message.data[0] === BRACKET ? this.#read(message, id) : null
    if (read === null || read instanceof PoolmeshError || read.tasks.length === 0) return null
    return { ids: read.tasks.map((task) => task.task_id), alone: false }
  }

  async #compare(one: Taken, other: { ids: string[]; alone: boolean } | null): Promise<void> {
    const { stored: all } = this.#options
    try {
      const stored = await all.under(one.subject)
      const elsewhere = other ? await all.otherwise(other.ids, other.alone) : []
      const results = [...stored.results, ...elsewhere]
      this.#looked(() => this.#accept(one, { ...stored, results }))
    } catch (error) {
      this.#unreadable(error as Error)
      this.#looked(() => one.message.nak(1_000))
    }
  }

  /** Of hundreds that cannot be read while a stream has no leader, one line a second tells. */
  #unreadable(err: Error): void {
    this.#untold++
    const now = performance.now()
    if (now - this.#toldAt < SECOND_MS) return
    this.#options.log.warn({ err, batches: this.#untold }, 'stored results could not be read, trying again')
    this.#untold = 0
    this.#toldAt = now
  }

  /** Not after it was stopped for good: another may have the message by now. */
  #looked(next: () => void): void {
    this.#looking--
    if (!this.#over) next()
    this.#whenRecovered()
  }

  #accept(
    { message, lane, id, subject, handedOver, submittedAt, notify }: Taken,
    stored: StoredResults,
  ): void {
    const { engine, rejections } = this.#options
    const held = engine.holds(id)
    if (held) {
      again(held, message)
      return
    }
    const read = this.#read(message, id)
    if (read instanceof PoolmeshError) {
      void rejections
        .record(read, message, { task_id: id })
        .then((done) => (done ? message.ack() : message.nak(1_000)))
      return
    }
    for (const { error } of read.faults) void rejections.record(error, message, undefined)
    this.#tasksPerMessage = 0.9 * this.#tasksPerMessage + 0.1 * read.tasks.length
    const [first] = read.tasks
    if (read.alone && first?.fan_out) {
      this.#toDistributor(message, first)
      return
    }
    const handle: Held = {
      message,
      others: [],
      isGone: false,
      isDoubtful: false,
      resultSubject: subject,
      notify,
      alone: read.alone,
      written: '',
      burial: null,
    }
    const settled = stored.results.filter((result) => result && isId(result.task_id))
    // What is stored is told again: whoever stored it may have died before telling.
    if (notify && settled.length > 0) this.#options.publisher.tell(notify, JSON.stringify(settled))
    this.#options.dead.bury(handle, settled, (id) => read.tasks.find((task) => task.task_id === id))
    const bytes = message.data.length + 512
    // A window of tasks would keep the pieces of the stream alive that they came in.
    if (read.faults.length === 0) message.release?.()
    engine.accept(
      {
        id,
        handle,
        lane,
        tasks: read.tasks,
        texts: read.texts,
        failed: read.faults.map(({ taskId, error }) => refusedResult(taskId, error)),
        submittedAt,
        bytes,
        stored: settled,
        lastSequence: stored.lastSequence,
        handedOver,
      },
      // Another had it before: it has not waited all that time for a pool.
      handedOver ? Date.now() : submittedAt,
    )
  }

  /** The tasks of a message; what is no task in a batch fails by itself and the others run. */
  #read(message: TaskMessage, id: string): Read | PoolmeshError {
    const text = message.text()
    let body: unknown
    let texts: string[] | null = null
    try {
      // What the client package has packed; its tasks are passed on as they are.
      const lines = parseLines(text)
      texts = lines?.texts ?? null
      body = lines?.values ?? parseJson(text, `the message on ${message.subject}`)
    } catch (error) {
      return error as PoolmeshError
    }
    const { defaultStrategy } = this.#options
    if (!Array.isArray(body)) {
      const task = readTask(body, id, defaultStrategy)
      if (task instanceof PoolmeshError) return task
      return { tasks: [task], texts: [asSubmitted(body, text, task)], faults: [], alone: true }
    }
    if (body.length === 0 || body.length > MAX_BATCH_TASKS)
      return invalid('', `must have 1 to ${MAX_BATCH_TASKS} tasks, has ${body.length}`)
    const read: Read = { tasks: [], texts: [], faults: [], alone: false }
    for (const [i, input] of body.entries()) {
      // A batch of one may carry the task's own id: it is the message's then.
      const own = body.length === 1 && (input as { task_id?: unknown } | null)?.task_id === id
      const taskId = own ? id : taskIdInBatch(id, i)
      const task = readTask(input, taskId, defaultStrategy)
      if (task instanceof PoolmeshError) read.faults.push({ taskId, error: task })
      else if (task.fan_out)
        read.faults.push({ taskId, error: invalid('fan_out', 'is not allowed in a batch: submit it alone') })
      else {
        read.tasks.push(task)
        read.texts.push(texts ? asSubmitted(input, texts[i] as string, task) : null)
      }
    }
    return read
  }

  /** A fan-out in an ordinary lane goes to the lane of those who know what to do with it. */
  #toDistributor(message: TaskMessage, task: DistributedTask): void {
    this.#options.publisher.publish(
      submittedSubject('fanout', task.task_id),
      JSON.stringify(task),
      onward(message),
      (outcome) => {
        // Refused because the id is pending there: the first submission stands.
        const pending = outcome.kind === 'refused' && WRONG_LAST_SEQUENCE.has(outcome.code)
        if (outcome.kind === 'stored' || pending) message.ack()
        else message.nak(500)
      },
    )
  }

  /** Takes nothing more; what still comes is handed back. */
  async stop(): Promise<void> {
    await Promise.all(this.#pullers.map((puller) => puller.stop()))
  }

  [Symbol.dispose](): void {
    this.#over = true
    this.#missing = Number.POSITIVE_INFINITY
    for (const puller of this.#pullers) puller[Symbol.dispose]()
  }
}

/** A message of a lane. */
interface Taken {
  message: TaskMessage
  lane: PriorityLane
  /** Of the batch. */
  id: string
  /** Where its results are stored. */
  subject: string
  /** A predecessor had it. */
  handedOver: boolean
  /** Milliseconds since the epoch. */
  submittedAt: number
  /** Who is told of its results. */
  notify: string | null
}

/** In one pass: each look by name would list them all. */
function readHeaders({ headers }: TaskMessage): {
  branch: boolean
  submitted: string | null
  notify: string | null
} {
  const read = { branch: false, submitted: null as string | null, notify: null as string | null }
  if (!headers) return read
  for (const [name, [value = '']] of headers)
    if (name === HEADERS.notify) read.notify = value || null
    else if (name === HEADERS.submitted) read.submitted = value
    else if (name === HEADERS.parent) read.branch = true
  return read
}

interface Read {
  tasks: DistributedTask[]
  /** Of each task, see `Submission` of the core. */
  texts: (string | null)[]
  faults: { taskId: string; error: PoolmeshError }[]
  alone: boolean
}

/** The text, where what it leaves out is filled in by everybody as it was here: only the strategy may differ. */
const asSubmitted = (input: unknown, text: string, task: DistributedTask): string | null =>
  task.routing_strategy === 'least_loaded' || (input as DistributedTask).routing_strategy !== undefined
    ? text
    : null

const invalid = (path: string, message: string): PoolmeshError =>
  new PoolmeshError(
    'INVALID_INPUT',
    `the submission is not valid${path === '' ? ': it' : ` at ${path}: it`} ${message}`,
    [{ path, message }],
  )

function readTask(
  input: unknown,
  taskId: string,
  defaultStrategy: RoutingStrategy,
): DistributedTask | PoolmeshError {
  const parsed = parseTask(input, { taskId, defaultStrategy })
  if (!parsed.ok) return parsed.error
  if (parsed.task.task_id !== taskId)
    return invalid('task_id', `is ${parsed.task.task_id}, but the subject says ${taskId}`)
  return parsed.task
}
