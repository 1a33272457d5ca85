// The life of a task from the moment an executor holds it to its stored result, without any I/O.
//
// Invariants, cited where they are kept:
//  I1  A task gets at most one outcome here, and an outcome is handed to storage until it is stored or found stored.
//  I2  A batch is closed (its message acknowledged) only when each of its tasks has a stored result, or is parked.
//  I3  A run holds a slot of its pool from dispatch until its answer, its loss, or the end of the grace after it was
//      given up: a pool never has more of our runs than workers.
//  I4  An answer of an older run can complete a task, never fail it; runs are told apart by their number, which only
//      grows, and their pool.
//  I5  At most one write a batch is outstanding, and it names the sequence of the one before.
import {
  type DistributedTask,
  type DistributedTaskResult,
  type ErrorCode,
  LANES,
  type PriorityLane,
  SlotMap,
  type TaskStatus,
} from '@poolmesh/types'
import type { PoolState, PoolTable, Preferences } from '../routing/index.ts'
import { isoTime } from '../time.ts'
import { Adoption, isAnswered, type Known, type KnownRun, type Past } from './adoption.ts'
import { Counters } from './counters.ts'
import { HeldTasks } from './held-tasks.ts'
import { LaneScheduler, laneIndex } from './lanes.ts'
import { type Answer, type Ending, endedWith, endedWithout } from './outcome.ts'
import { Parking } from './parking.ts'
import type { Batch, Entry, Run, Submission } from './records.ts'
import { Suspensions } from './suspensions.ts'
import { type Timed, TimerWheel } from './timers.ts'
import { WaitingTasks } from './waiting.ts'

export interface EngineOptions {
  /** Tasks that may wait in memory, a lane. */
  windowTasks: number
  /** Bytes of batches that may be held. */
  windowBytes: number
  /** Milliseconds since the epoch. */
  now: () => number
  /** 0 ≤ x < 1 */
  random: () => number
}

/** What the engine asks of the outside. Nothing here answers at once: answers come back as calls of the engine. */
export interface EnginePorts<Handle> {
  /** Sends the run to its pool. */
  dispatch(run: Run): void
  /** A run of an earlier owner is ours now. */
  adopted?(run: Run): void
  /** A run of an earlier owner went with its pool: the task is tried again. */
  lostBefore?(entry: Entry, run: Pick<KnownRun, 'pool' | 'attempt' | 'startedAt'>): void
  /** Tells the pool to stop a task if it can. */
  cancel(pool: string, taskId: string, reason: string): void
  /**
   * Appends results to the batch's subject, with `lastSequence` as the expected one; takes as many of them, at least one,
   * as one message holds, and returns how many. `appended` or `reconcile` follows.
   */
  append(batch: Batch<Handle>, results: DistributedTaskResult[]): number
  /** Every task of the batch has a stored result, or is parked. */
  close(batch: Batch<Handle>): void
  /** Stores the tasks away, to come back at `wakeAt` or when retrieved by signature. `parked` follows. */
  park(batch: Batch<Handle>, tasks: DistributedTask[], signatureKey: string | null, wakeAt: number): void
  /** Brings back up to `atMost` parked batches of a signature. `retrieved` follows. */
  retrieve(signatureKey: string, atMost: number): void
  /** For the health monitor: how a pool behaves. */
  report(pool: string, kind: 'gone' | 'invalid_result' | 'run_timeout' | 'ok'): void
  /** The run has given back its slot. */
  freed(run: Run): void
  /** Have `pump` called soon. */
  schedule(): void
}

/** A reported failure is tried again after 100 ms, doubled each time, at most 30 s, with jitter. */
const BACKOFF_BASE_MS = 100
const BACKOFF_MAX_MS = 30_000
/** How long a run that was given up keeps its slot when the pool says nothing: as long as it was allowed, within these. */
const GRACE_MIN_MS = 5_000
const GRACE_MAX_MS = 60_000
/** A run and what a pool says of itself may pass each other for so long. */
const ON_THE_WAY_MS = 2_000
/** Lost under as many pools, a task is taken to be what kills them. */
const MAX_LOSSES = 5
const HISTORY = 20
const NO_HISTORY: Entry['history'] = []
const NONE: readonly string[] = []
/** Dispatches in one go, before others get their turn. */
const PUMP_LIMIT = 2_000

/** Of a task that has ended, and whose run may go on. */
const endedTask = (taskId: string, timeout: number | undefined): DistributedTask => ({
  task_id: taskId,
  task_type: 'ended',
  payload: {},
  required_capabilities: [],
  routing_strategy: 'least_loaded',
  timeout: timeout ?? GRACE_MAX_MS / 1000,
  queue_timeout: 1,
  priority: 0,
  max_attempts: 1,
  idempotent: false,
  metadata: {},
})
const ENDED_BATCH: Batch<never> = {
  id: '',
  handle: undefined as never,
  lane: 'low',
  submittedAt: 0,
  bytes: 0,
  entries: [],
  seats: [],
  own: null,
  open: 0,
  ready: [],
  writing: [],
  lastSequence: 0,
  phase: 'closed',
}

export class TaskEngine<Handle> {
  readonly table: PoolTable
  readonly waiting = new WaitingTasks()
  readonly counters = new Counters()
  readonly parking: Parking<Handle>
  readonly suspensions: Suspensions
  readonly adoption = new Adoption()
  readonly #ports: EnginePorts<Handle>
  readonly #options: EngineOptions
  readonly #lanes = new LaneScheduler()
  readonly #wheel: TimerWheel<Timed>
  readonly #batches = new SlotMap<string, Batch<Handle>>()
  /** Every task without a stored result. */
  readonly #tasks = new HeldTasks(this.#batches)
  /** By pool; a run knows its place, so that taking one out moves the last one there and hashes nothing. */
  readonly #runs = new Map<string, Run[]>()
  /** Runs that were given up and may still hold a slot, by `<task id>/<attempt>`. */
  readonly #abandoned = new Map<string, Run>()
  /** Batches with something to be written, some of them twice. */
  #dirty: Batch<Handle>[] = []
  readonly #onStored = new Map<string, ((status: TaskStatus | null) => void)[]>()
  /** Tasks with a past: reported failures, or pools lost under them. */
  readonly #scarred = new Set<Entry>()
  /** Pools whose last run failed through a fault of theirs. */
  readonly #suspects = new Set<string>()
  #lastPreferences: Preferences = {
    strategy: 'least_loaded',
    region: null,
    affinityKey: '',
    preferred: NONE,
    avoid: null,
  }
  #recovering = false
  #bytes = 0
  #order = 0
  #delayed = 0
  #running = 0

  constructor(table: PoolTable, ports: EnginePorts<Handle>, options: EngineOptions) {
    this.table = table
    this.#ports = ports
    this.#options = options
    this.#wheel = new TimerWheel(options.now())
    this.suspensions = new Suspensions(table, this.#wheel, options.now)
    this.parking = new Parking(this, ports)
    table.onCapacity = (pool) => {
      this.waiting.wake(pool)
      this.parking.wake(pool)
      ports.schedule()
    }
  }

  // ---- what comes in -------------------------------------------------------------------------------------------

  /** How many more tasks of the lane may be taken in. */
  room(lane: PriorityLane): number {
    if (this.#bytes >= this.#options.windowBytes) return 0
    return Math.max(0, this.#options.windowTasks - this.waiting.sizeOf(laneIndex(lane)) - this.#delayed)
  }

  holds(batchId: string): Batch<Handle> | undefined {
    return this.#batches.get(batchId)
  }

  batches(): IterableIterator<Batch<Handle>> {
    return this.#batches.values()
  }

  /** Whether what a predecessor had in flight is still coming in. */
  get recovering(): boolean {
    return this.#recovering
  }

  get running(): number {
    return this.#running
  }

  /** Takes a batch over. The caller has made sure that it is not held already. */
  accept(submission: Submission<Handle>, waitingSince = submission.submittedAt): void {
    const batch: Batch<Handle> = {
      id: submission.id,
      handle: submission.handle,
      lane: submission.lane,
      submittedAt: submission.submittedAt,
      bytes: submission.bytes,
      entries: [],
      seats: [],
      own: null,
      open: 0,
      ready: [],
      writing: [],
      lastSequence: submission.lastSequence,
      phase: 'held',
    }
    this.#batches.set(batch.id, batch)
    this.#bytes += batch.bytes
    const stored =
      submission.stored.length > 0 ? new Set(submission.stored.map((result) => result.task_id)) : null
    for (const [i, task] of submission.tasks.entries()) {
      if (stored?.has(task.task_id)) continue
      // Submitted alone and in a batch: the first stands.
      if (this.#tasks.find(task.task_id)) continue
      const entry = this.#entry(task, batch, waitingSince, submission.texts?.[i])
      batch.entries.push(entry)
      batch.open++
      this.#tasks.add(entry)
      if (submission.handedOver) {
        if (this.#adopt(entry, this.adoption.take(task.task_id))) continue
        entry.runs += this.adoption.unseen
      }
      this.#admit(entry)
    }
    for (const result of submission.failed) {
      if (stored?.has(result.task_id)) continue
      batch.ready.push(result)
      this.counters.ended(result.status, null)
      this.#dirty.push(batch)
    }
    if (batch.open === 0 && batch.ready.length === 0) this.#close(batch)
    else this.#parkUntilDue(batch)
    this.#ports.schedule()
  }

  #entry(
    task: DistributedTask,
    batch: Batch<Handle> | Batch<never>,
    waitingSince: number,
    text: string | null = null,
  ): Entry {
    return {
      kind: 'entry',
      task,
      text,
      batch,
      signature: this.waiting.signature(task.required_capabilities, task.pool ?? null),
      preferences: this.#preferences(task),
      lane: laneIndex(batch.lane),
      order: this.#order++,
      state: 'waiting',
      delay: null,
      runs: 0,
      attempts: 0,
      losses: 0,
      waitingSince,
      queuedMs: 0,
      firstStartedAt: 0,
      run: null,
      history: NO_HISTORY,
      heapIndex: -1,
      timerBucket: -1,
      timerNext: null,
      timerPrevious: null,
    }
  }

  /** Most tasks wish for nothing of their own, and share the one before's. */
  #preferences(task: DistributedTask): Preferences {
    const { metadata, routing_strategy: strategy } = task
    const region = typeof metadata['region'] === 'string' ? metadata['region'] : null
    const affinityKey =
      typeof metadata['affinity_key'] === 'string' ? metadata['affinity_key'] : task.task_type
    const preferred = metadata['preferred_capabilities']
    const last = this.#lastPreferences
    if (
      last.strategy === strategy &&
      last.affinityKey === affinityKey &&
      last.region === region &&
      !Array.isArray(preferred) &&
      last.preferred === NONE
    )
      return last
    this.#lastPreferences = {
      strategy,
      region,
      affinityKey,
      preferred: Array.isArray(preferred)
        ? preferred.filter((c): c is string => typeof c === 'string')
        : NONE,
      avoid: null,
    }
    return this.#lastPreferences
  }

  // ---- what an earlier owner began ---------------------------------------------------------------------------------

  /** Until {@link recovered} nothing is dispatched: what comes in may be running already. */
  recover(): void {
    this.#recovering = true
    this.adoption.open()
  }

  /** All that an earlier owner had in flight has come in. */
  recovered(): void {
    this.#recovering = false
    const { unwanted, givenUp } = this.adoption.close()
    for (const [taskId, run] of [...unwanted, ...givenUp]) this.#hold(taskId, run)
    for (const [taskId, run] of unwanted) this.#ports.cancel(run.pool, taskId, 'nobody waits for it any more')
    this.#ports.schedule()
  }

  /** An earlier owner's run that no task waits for any more holds its slot all the same, as if it was given up now (I3). */
  #hold(taskId: string, { pool: name, attempt, startedAt, timeout }: KnownRun): void {
    const pool = this.table.get(name)
    if (!pool || this.#abandoned.has(`${taskId}/${attempt}`)) return
    const entry = this.#entry(endedTask(taskId, timeout), ENDED_BATCH, startedAt)
    entry.firstStartedAt = startedAt // it waited under another, so it is not measured here
    const run = this.#begin(entry, pool, attempt, startedAt)
    this.waiting.release(entry.signature)
    entry.state = 'settled'
    this.#abandon(run, null)
    this.#ports.adopted?.(run)
  }

  /** @returns whether the task needs no dispatch: it runs, or has ended */
  #adopt(entry: Entry, { run, answers, past, seen }: Known): boolean {
    if (past) {
      const { runs, attempts, losses, history } = past
      Object.assign(entry, { runs, attempts, losses, history })
      this.#scarred.add(entry)
    }
    // Its first run may have been under way and is not known of: the number must grow all the same.
    entry.runs = Math.max(1, seen, entry.runs, run?.attempt ?? 0, ...answers.map(({ attempt }) => attempt))
    const now = this.#options.now()
    const startedAt = run?.startedAt ?? now
    for (const { pool, answer } of answers) {
      if (answer.kind !== 'answer' || answer.answer.status !== 'completed') continue
      entry.attempts++
      this.#end(entry, endedWith(entry, { pool: { name: pool }, startedAt }, answer.answer, undefined, now))
      if (run && !isAnswered(run, answers)) {
        this.#hold(entry.task.task_id, run)
        this.#ports.cancel(run.pool, entry.task.task_id, 'an earlier run completed the task')
      }
      return true
    }
    // I4: what was dealt with before counts no second time.
    const over = past?.over ?? 0
    const early = entry.runs > over ? answers.find(({ attempt }) => attempt === entry.runs) : undefined
    // A pool says that when it was told to stop, and nobody may know any more why it was told. Whoever wanted the task
    // cancelled has had no answer, so it may run again.
    if (early?.answer.kind === 'answer' && early.answer.answer.status === 'cancelled') return false
    const begun = early ?? run
    if (!begun) return false
    if (early && run && !isAnswered(run, answers)) this.#hold(entry.task.task_id, run)
    const pool = this.table.get(begun.pool)
    if (pool && (early || pool.health !== 'unavailable')) {
      const current = this.#begin(entry, pool, begun.attempt, startedAt)
      this.#ports.adopted?.(current)
      if (early) this.#answered(entry, current, early.answer)
      else if (run?.certain === false || begun.attempt <= over) {
        this.#abandon(current, 'it is tried again, since its answer may be lost')
        this.#scarred.add(entry)
        return false
      }
      return true
    }
    if (!early && begun.attempt > over) {
      this.#ports.lostBefore?.(entry, { pool: begun.pool, attempt: begun.attempt, startedAt })
      // It may go on there, should the pool come back.
      if (pool) this.#abandon(this.#begin(entry, pool, begun.attempt, startedAt), null)
      this.#lose(entry, begun.pool, null)
    }
    return entry.state === 'settled'
  }

  #lose(entry: Entry, pool: string, run: Run | null, problem?: string): void {
    entry.losses++
    this.counters.runs.lost++
    this.#scarred.add(entry)
    this.#remember(entry, pool, 'POOL_LOST', problem, run)
    if (entry.losses < MAX_LOSSES) return
    const error = `${entry.losses} pools were lost while they ran the task`
    this.#end(entry, { status: 'failed', reason: 'POISON', error }, run)
  }

  /** What the next owner has to know of tasks that are not over. */
  *pasts(): IterableIterator<[taskId: string, past: Past]> {
    for (const { task, run, runs, attempts, losses, history } of this.#scarred)
      yield [task.task_id, { runs, over: run ? runs - 1 : runs, attempts, losses, history }]
  }

  /** Another owner goes on with everything: all is forgotten, nobody is told, and what runs goes on. */
  letGo(): void {
    for (const batch of [...this.#batches.values()]) this.forget(batch)
    for (const runs of [...this.#runs.values()]) for (const run of [...runs]) this.#free(run)
    for (const listeners of this.#onStored.values()) for (const listener of listeners) listener(null)
    this.#onStored.clear()
    this.adoption.close()
    this.parking.letGo()
    this.#recovering = false
  }

  #admit(entry: Entry): void {
    const due = entry.task.not_before ? Date.parse(entry.task.not_before) : 0
    if (due > this.#options.now()) {
      this.#delay(entry, 'not_before', due)
    } else {
      if (due > entry.waitingSince) entry.waitingSince = due
      this.#wait(entry)
    }
  }

  #wait(entry: Entry): void {
    entry.state = 'waiting'
    entry.delay = null
    this.waiting.add(entry)
    this.#wheel.set(entry, entry.waitingSince + entry.task.queue_timeout * 1000)
    this.#ports.schedule()
  }

  #delay(entry: Entry, why: 'not_before' | 'backoff', until: number): void {
    entry.state = 'delayed'
    entry.delay = why
    this.#delayed++
    this.#wheel.set(entry, until)
  }

  /** A batch all of whose tasks are for later does not take room until then. */
  #parkUntilDue(batch: Batch<Handle>): void {
    if (batch.open === 0 || batch.entries.some((entry) => entry.delay !== 'not_before')) return
    const wakeAt = Math.min(...batch.entries.map((entry) => Date.parse(entry.task.not_before as string)))
    if (wakeAt - this.#options.now() > this.parking.leastDelayMs) this.parking.park(batch, null, wakeAt)
  }

  // ---- the decisions -------------------------------------------------------------------------------------------

  /** Dispatches what can be, writes what is ready. Call it after events, once a tick. */
  pump(): void {
    if (this.#recovering) {
      this.flush()
      return
    }
    const isReady = (lane: number): boolean => this.waiting.isReady(lane)
    for (let n = 0; ; n++) {
      if (n === PUMP_LIMIT) {
        this.#ports.schedule()
        break
      }
      const lane = this.#lanes.pick(isReady)
      if (lane < 0) break
      const entry = this.waiting.head(lane) as Entry
      const pool = this.table.choose(entry.signature.requirements, entry.preferences)
      if (pool) {
        this.waiting.remove(entry)
        this.#lanes.served(lane, isReady)
        this.#start(entry, pool)
      } else this.waiting.block(entry.signature)
    }
    for (const lane of LANES) if (this.room(lane) === 0) this.parking.relieve(lane)
    this.flush()
  }

  #start(entry: Entry, pool: PoolState): void {
    this.#ports.dispatch(this.#begin(entry, pool, entry.runs + 1, this.#options.now()))
  }

  #begin(entry: Entry, pool: PoolState, attempt: number, startedAt: number): Run {
    const run: Run = {
      kind: 'run',
      entry,
      pool,
      attempt,
      startedAt,
      deadline: startedAt + entry.task.timeout * 1000,
      abandoned: false,
      place: 0,
      timerBucket: -1,
      timerNext: null,
      timerPrevious: null,
    }
    entry.runs = Math.max(entry.runs, attempt)
    entry.state = 'running'
    entry.run = run
    entry.queuedMs += Math.max(0, startedAt - entry.waitingSince)
    if (entry.firstStartedAt === 0) {
      entry.firstStartedAt = startedAt
      this.counters.queueTime.record(entry.queuedMs)
    }
    this.table.acquire(pool) // I3
    this.#running++
    const runs = this.#runs.get(pool.name)
    if (runs) run.place = runs.push(run) - 1
    else this.#runs.set(pool.name, [run])
    this.#wheel.clear(entry)
    this.#wheel.set(run, run.deadline)
    return run
  }

  /** Lets deadlines pass. Call it every 25 ms or so. */
  tick(): void {
    this.#wheel.advance(this.#options.now(), (item) =>
      this.#due(item as Entry | Run | { kind: 'suspension'; pool: string }),
    )
    this.flush()
  }

  #due(item: Entry | Run | { kind: 'suspension'; pool: string }): void {
    if (item.kind === 'suspension') this.suspensions.over(item.pool)
    else if (item.kind === 'run') {
      if (item.abandoned) this.#free(item)
      else this.#runTimeout(item)
    } else if (item.state === 'delayed') {
      this.#delayed--
      item.waitingSince = this.#options.now()
      this.#wait(item)
    } else if (item.state === 'waiting') {
      item.queuedMs += Math.max(0, this.#options.now() - item.waitingSince)
      const s = item.task.queue_timeout
      this.#end(item, {
        status: 'timeout',
        reason: 'QUEUE_TIMEOUT',
        error: `no pool took the task within ${s} s`,
      })
    }
  }

  #runTimeout(run: Run): void {
    const { entry } = run
    this.#abandon(run, 'RUN_TIMEOUT')
    entry.attempts++
    this.counters.runs.timeout++
    this.#suspects.add(run.pool.name)
    this.#ports.report(run.pool.name, 'run_timeout')
    this.table.failed(entry.preferences.affinityKey, run.pool.name)
    const error = `the run on ${run.pool.name} took longer than ${entry.task.timeout} s`
    this.#end(entry, { status: 'timeout', reason: 'RUN_TIMEOUT', error }, run)
  }

  // ---- answers of pools ----------------------------------------------------------------------------------------

  /**
   * What a pool said of a task.
   * @param attempt the run's number; null when the pool did not say it: the current run is meant
   */
  answer(pool: string, taskId: string, attempt: number | null, answer: Answer): void {
    const entry = this.#tasks.find(taskId)
    const run = entry?.run ?? null
    if (entry && run && run.pool.name === pool && (attempt === null || attempt === run.attempt)) {
      this.#answered(entry, run, answer)
      return
    }
    if (!entry && this.#recovering) {
      this.adoption.answer(taskId, { pool, attempt: attempt ?? 1, answer })
      return
    }
    this.counters.lateAnswers++
    const number = attempt ?? entry?.runs ?? 1
    const old = this.#abandoned.get(`${taskId}/${number}`)
    if (old?.pool.name === pool) this.#free(old)
    // I4
    if (answer.kind !== 'answer' || answer.answer.status !== 'completed') return
    if (!entry || entry.state === 'settled' || number > entry.runs) return
    const begun = old ?? { pool: { name: pool }, startedAt: entry.firstStartedAt || this.#options.now() }
    if (entry.run) this.#abandon(entry.run, 'an earlier run completed the task')
    entry.attempts++
    this.#end(entry, endedWith(entry, begun, answer.answer, undefined, this.#options.now()))
  }

  #answered(entry: Entry, run: Run, answer: Answer): void {
    this.#free(run)
    entry.run = null
    const now = this.#options.now()
    const key = entry.preferences.affinityKey
    if (answer.kind === 'invalid') {
      this.counters.runs.invalid++
      this.#suspects.add(run.pool.name)
      this.#ports.report(run.pool.name, 'invalid_result')
      this.#failed(entry, run, 'INVALID_RESULT', answer.problem, null, now)
      return
    }
    const said = answer.answer
    this.counters.runTime.record(now - run.startedAt)
    const refused = said.status === 'failed' && said.metadata?.['reason'] === 'POOL_REFUSED'
    this.counters.runs[refused ? 'refused' : said.status]++
    if (said.status === 'completed') {
      this.table.completed(key, run.pool.name)
      if (this.#suspects.size > 0 && this.#suspects.delete(run.pool.name))
        this.#ports.report(run.pool.name, 'ok')
      entry.attempts++
      this.#end(entry, endedWith(entry, run, said, undefined, now))
    } else if (said.status === 'failed') {
      if (refused) this.#refused(entry, run, said.metadata?.['retry_after_ms'], said.error)
      else this.#failed(entry, run, 'HANDLER_ERROR', said.error ?? 'the pool gave no reason', said, now)
    } else {
      entry.attempts++
      this.table.failed(key, run.pool.name)
      this.#end(
        entry,
        endedWith(entry, run, said, said.status === 'timeout' ? 'RUN_TIMEOUT' : 'CANCELLED', now),
      )
    }
  }

  /** A failure that counts as an attempt: again, elsewhere if anywhere else fits, or the end. */
  #failed(
    entry: Entry,
    run: Run,
    reason: ErrorCode,
    error: string,
    said: (Answer & { kind: 'answer' })['answer'] | null,
    now: number,
  ): void {
    entry.attempts++
    this.#scarred.add(entry)
    this.table.failed(entry.preferences.affinityKey, run.pool.name)
    if (entry.attempts < entry.task.max_attempts) {
      this.#remember(entry, run.pool.name, reason, error, run)
      const avoid = new Set([...(entry.preferences.avoid ?? []), run.pool.name])
      entry.preferences = { ...entry.preferences, avoid }
      const backoff = Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** (entry.attempts - 1))
      this.#delay(entry, 'backoff', now + backoff * (0.5 + this.#options.random()))
    } else if (said) this.#end(entry, endedWith(entry, run, said, reason, now))
    else this.#end(entry, { status: 'failed', reason, error }, run)
  }

  /**
   * The pool would not take it: no attempt, and no more for that pool for a moment.
   * @param retryAfterMs what the pool asks for at least @param error why, where it says so
   */
  #refused(entry: Entry, run: Run, retryAfterMs: unknown, error: string | null | undefined): void {
    this.counters.refusals++
    this.suspensions.suspend(run.pool.name, retryAfterMs)
    this.#notBegun(entry, run, 'POOL_REFUSED', error ?? undefined)
  }

  /** Nobody subscribed to the pool's work: the task was not begun. */
  gone(pool: string, taskId: string, attempt: number): void {
    const run = this.#tasks.find(taskId)?.run
    if (!run || run.attempt !== attempt || run.pool.name !== pool) return
    this.#free(run)
    run.entry.run = null
    this.counters.runs.gone++
    this.suspensions.suspend(run.pool.name)
    this.#ports.report(run.pool.name, 'gone')
    this.#notBegun(run.entry, run, 'POOL_GONE')
  }

  /**
   * The task was begun there, or may have been, and no answer can come any more: it goes on elsewhere, and that is no attempt.
   * The slot stays taken until the pool says that it has stopped.
   * @param problem what happened, for the task's history
   */
  lost(pool: string, taskId: string, attempt: number, problem?: string): void {
    const run = this.#tasks.find(taskId)?.run
    if (!run || run.attempt !== attempt || run.pool.name !== pool) return
    const { entry } = run
    this.#abandon(run, 'POOL_LOST')
    this.suspensions.suspend(pool)
    this.table.failed(entry.preferences.affinityKey, pool)
    this.#lose(entry, pool, run, problem)
    if (entry.state !== 'settled') this.#waitAgain(entry)
  }

  /** The task was never begun there: it has been waiting all the time. */
  #notBegun(entry: Entry, run: Run, reason: ErrorCode, error?: string): void {
    this.#remember(entry, run.pool.name, reason, error)
    entry.queuedMs = Math.max(0, entry.queuedMs - (run.startedAt - entry.waitingSince))
    this.#wait(entry)
  }

  /** The pool died or was removed: what it ran goes elsewhere and that is no attempt. */
  poolLost(pool: string): void {
    this.#suspects.delete(pool)
    for (const run of [...(this.#runs.get(pool) ?? [])]) {
      if (run.abandoned) continue
      const { entry } = run
      this.#abandon(run, 'POOL_LOST')
      entry.run = null
      this.table.failed(entry.preferences.affinityKey, pool)
      this.#lose(entry, pool, run)
      if (entry.state !== 'settled') this.#waitAgain(entry)
    }
  }

  /**
   * The pool was registered anew, by a process that knows nothing of what another of that name ran: that is lost.
   * @param before runs that began then or later are left alone (ms since the epoch)
   * @param runs what it says that it runs, `<task id>/<attempt>`; null: it cannot say, so the slots stay taken for the grace,
   *   and nobody is told to stop, since it may be the same process after all
   */
  poolReplaced(pool: string, before: number, runs: ReadonlySet<string> | null): void {
    for (const run of [...(this.#runs.get(pool) ?? [])]) {
      const { entry } = run
      if (run.startedAt >= before || runs?.has(`${entry.task.task_id}/${run.attempt}`)) continue
      if (run.abandoned) {
        if (runs) this.#free(run)
        continue
      }
      if (runs) this.#free(run)
      else this.#abandon(run, null)
      entry.run = null
      this.#lose(entry, pool, run)
      if (entry.state !== 'settled') this.#waitAgain(entry)
    }
  }

  #again(entry: Entry, run: Run, reason: ErrorCode): void {
    this.#remember(entry, run.pool.name, reason, undefined, run)
    this.#waitAgain(entry)
  }

  #waitAgain(entry: Entry): void {
    entry.waitingSince = this.#options.now()
    this.#wait(entry)
  }

  /** @param run null where it was not begun, or began under another owner */
  #remember(
    entry: Entry,
    pool: string,
    reason: ErrorCode,
    error?: string,
    run: Pick<Run, 'startedAt'> | null = null,
  ): void {
    const what = {
      pool,
      reason,
      ...(error === undefined ? {} : { error: error.slice(0, 500) }),
      ...(run ? { started_at: isoTime(run.startedAt) } : {}),
      at: isoTime(this.#options.now()),
    }
    entry.history = [...entry.history.slice(1 - HISTORY), what]
    this.counters.retried(reason)
  }

  /**
   * Finds runs whose answer must have been missed, because the connection was cut or the pool says that it has no such run.
   * They are tried again; where nobody can say whether the run goes on, its slot stays taken and a success still counts.
   * @param before runs that began then or later are left alone (ms since the epoch)
   * @param runs by pool, what the pools say that they run: `<task id>/<attempt>`
   * @param canTell whether a pool of that kind could have said it; if so and it did not, its runs are left alone
   */
  review(
    before: number,
    runs: ReadonlyMap<string, ReadonlySet<string>>,
    canTell: (pool: PoolState) => boolean,
  ): void {
    for (const [name, all] of [...this.#runs]) {
      const told = runs.get(name)
      for (const run of [...all]) {
        if (run.abandoned || run.startedAt >= before) continue
        const { entry } = run
        if (told ? told.has(`${entry.task.task_id}/${run.attempt}`) : canTell(run.pool)) continue
        if (told) this.#free(run)
        else this.#abandon(run, 'it is tried again, since its answer may be lost')
        entry.run = null
        this.#scarred.add(entry)
        this.#again(entry, run, 'ANSWER_LOST')
      }
    }
  }

  /** A pool that says it runs nothing has given back every slot, but not of what may not have reached it when it said so. */
  idle(pool: string): void {
    const before = this.#options.now() - ON_THE_WAY_MS
    for (const run of [...(this.#runs.get(pool) ?? [])])
      if (run.abandoned && run.startedAt <= before) this.#free(run)
  }

  // ---- slots ---------------------------------------------------------------------------------------------------

  /** Gives the run's slot back. */
  #free(run: Run): void {
    if (run.place < 0) return
    const runs = this.#runs.get(run.pool.name) as Run[]
    const last = runs.pop() as Run
    if (last !== run) {
      runs[run.place] = last
      last.place = run.place
    } else if (runs.length === 0) this.#runs.delete(run.pool.name)
    run.place = -1
    if (run.abandoned) this.#abandoned.delete(`${run.entry.task.task_id}/${run.attempt}`)
    else this.#running--
    this.#wheel.clear(run)
    this.table.release(run.pool)
    this.#ports.freed(run)
  }

  /**
   * Gives the run up and tells the pool; the slot stays taken until the pool answers or the grace is over (I3).
   * @param reason null: the pool is not told
   */
  #abandon(run: Run, reason: string | null): void {
    if (run.abandoned) return
    run.abandoned = true
    run.entry.run = null
    this.#running--
    this.#abandoned.set(`${run.entry.task.task_id}/${run.attempt}`, run)
    const grace = Math.min(GRACE_MAX_MS, Math.max(GRACE_MIN_MS, run.entry.task.timeout * 1000))
    this.#wheel.set(run, this.#options.now() + grace)
    if (reason !== null) this.#ports.cancel(run.pool.name, run.entry.task.task_id, reason)
  }

  // ---- outcomes and their storage ------------------------------------------------------------------------------

  #end(entry: Entry, how: Ending | DistributedTaskResult, run: Run | null = null): void {
    if (entry.state === 'settled') return // I1
    const result = 'task_id' in how ? how : endedWithout(entry, how, run, this.#options.now())
    const batch = entry.batch as Batch<Handle>
    this.#settle(entry)
    this.counters.ended(result.status, entry.task)
    // What was ready before is noted already, or a write that is outstanding will see to it.
    if (batch.ready.push(result) === 1) this.#dirty.push(batch)
    this.#ports.schedule()
  }

  #settle(entry: Entry): void {
    if (entry.state === 'waiting') this.waiting.remove(entry)
    if (entry.state === 'delayed') this.#delayed--
    entry.state = 'settled'
    if (this.#scarred.size > 0) this.#scarred.delete(entry)
    this.#wheel.clear(entry)
    this.waiting.release(entry.signature)
    entry.batch.open--
  }

  /** Hands what is ready to storage. Call it after answers. */
  flush(): void {
    if (this.#dirty.length === 0) return
    for (const batch of this.#dirty) this.#write(batch)
    this.#dirty = []
  }

  /** Writes what is ready of a batch that could not be parked. */
  rewrite(batch: Batch<Handle>): void {
    this.#dirty.push(batch)
    this.#ports.schedule()
  }

  #write(batch: Batch<Handle>): void {
    if (batch.writing.length > 0 || batch.ready.length === 0 || batch.phase !== 'held') return // I5
    const ready = batch.ready
    batch.ready = []
    batch.writing = ready
    const taken = this.#ports.append(batch, ready)
    if (taken < ready.length) {
      batch.writing = ready.slice(0, taken)
      batch.ready = ready.slice(taken)
    }
  }

  /** The outstanding write is stored, as `sequence`. */
  appended(batch: Batch<Handle>, sequence: number): void {
    if (batch.phase === 'closed') return // let go of meanwhile
    batch.lastSequence = sequence
    const written = batch.writing
    batch.writing = []
    for (const result of written) this.#stored(result.task_id, result.status)
    this.#after(batch)
  }

  /** The outstanding write was refused or its fate is unknown: `stored` is all that the batch's subject has now. */
  reconcile(batch: Batch<Handle>, stored: DistributedTaskResult[], lastSequence: number): void {
    if (batch.phase === 'closed') return
    batch.lastSequence = lastSequence
    const settled = new Map(stored.map((result) => [result.task_id, result.status]))
    const mine = [...batch.writing, ...batch.ready]
    batch.writing = []
    batch.ready = mine.filter((result) => !settled.has(result.task_id))
    const ready = new Set(batch.ready.map((result) => result.task_id))
    for (const entry of batch.entries) {
      const status = settled.get(entry.task.task_id)
      if (!status) {
        if (entry.state === 'settled' && !ready.has(entry.task.task_id)) this.#doAgain(entry)
        continue
      }
      if (entry.run) this.#abandon(entry.run, 'the task has ended')
      if (entry.state !== 'settled') this.#settle(entry)
      this.#stored(entry.task.task_id, status)
    }
    this.#after(batch)
  }

  /** Its result was stored and is not there any more: the broker's machine lost what it had not synced. */
  #doAgain(entry: Entry): void {
    const { task, batch } = entry
    if (this.#tasks.find(task.task_id)) return
    this.#tasks.add(entry)
    entry.signature = this.waiting.signature(task.required_capabilities, task.pool ?? null)
    batch.open++
    entry.attempts = Math.max(0, entry.attempts - 1)
    this.#scarred.add(entry)
    this.#waitAgain(entry)
  }

  #after(batch: Batch<Handle>): void {
    if (batch.ready.length > 0) this.#write(batch)
    else if (batch.open === 0 && batch.writing.length === 0) this.#close(batch)
  }

  #stored(taskId: string, status: TaskStatus): void {
    const entry = this.#tasks.find(taskId)
    if (entry) this.#tasks.delete(entry)
    if (this.#onStored.size === 0) return
    const listeners = this.#onStored.get(taskId)
    if (!listeners) return
    this.#onStored.delete(taskId)
    for (const listener of listeners) listener(status)
  }

  #close(batch: Batch<Handle>): void {
    this.forget(batch)
    this.#ports.close(batch) // I2
  }

  /** Lets go of a batch without closing it: its message goes to another executor, or its tasks are parked. */
  forget(batch: Batch<Handle>): void {
    if (batch.phase === 'closed') return
    batch.phase = 'closed'
    for (const entry of batch.entries) {
      entry.run = null
      if (entry.state !== 'settled') this.#settle(entry)
    }
    this.#tasks.forget(batch)
    this.#batches.delete(batch.id)
    this.#bytes -= batch.bytes
  }

  // ---- questions -----------------------------------------------------------------------------------------------

  find(taskId: string): Entry | undefined {
    return this.#tasks.find(taskId)
  }

  /**
   * Cancels a task that is held here; resolves once an outcome is stored, with the status that it has then, or with null
   * where another executor has taken it over before that. Null at once: the task is not held here.
   */
  cancel(
    taskId: string,
    reason: string | undefined,
  ): Promise<{ cancelled: boolean; status: TaskStatus } | null> | null {
    const entry = this.#tasks.find(taskId)
    if (!entry) return null
    const mine = entry.state !== 'settled'
    if (mine) {
      if (entry.state === 'waiting') entry.queuedMs += Math.max(0, this.#options.now() - entry.waitingSince)
      const { run } = entry
      const cancellation = run?.pool.cancel
      if (run) {
        this.#abandon(run, reason ?? 'cancelled')
        entry.attempts++
      }
      const error = reason ? `cancelled: ${reason}` : 'cancelled'
      this.#end(entry, { status: 'cancelled', reason: 'CANCELLED', error, cancellation }, run)
    }
    return new Promise((resolve) => {
      const listeners = this.#onStored.get(taskId) ?? []
      listeners.push((status) => resolve(status && { cancelled: mine && status === 'cancelled', status }))
      this.#onStored.set(taskId, listeners)
    })
  }
}
