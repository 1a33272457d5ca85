// What must hold in every state. Told of each change where it happens, so nothing can be wrong for a moment unseen.
//
//  S1  a task has at most one stored result, and what was told of a task is what is stored
//  S2  an acknowledged task is stored as a submission, in a lane or parked, until its result is stored
//  S3  a pool has no more runs than workers; a run that was given up counts until the pool has answered or its grace is over
//  S4  no number of a task's run that a pool has seen is sent again, nor a lower one
//  S5  an answer of an older run never fails a task
//  S6  a cancellation that was confirmed is what is stored
//  S7  of two submissions of a task only one is ever run: so no branch of a fan-out is started twice
//  S8  what a fan-out's result says of a branch is what is stored of it
import type { DistributedTaskResult } from '@poolmesh/types'
import type { Clock } from './clock.ts'
import type { StoredMessage, Witness } from './store.ts'
import type { Work } from './wiring.ts'

export class Violation extends Error {}

/** As in the engine. */
const GRACE_MIN_MS = 5_000
const GRACE_MAX_MS = 60_000
/** Longer under way than others wait for the lease: nobody can know of such a run. */
const LATE_MS = 900
/** Pools of the worker package keep their answers for so long. */
const KEPT_MS = 10_000

const graceOf = (timeoutMs: number): number => Math.min(GRACE_MAX_MS, Math.max(GRACE_MIN_MS, timeoutMs))

interface PoolRun {
  readonly process: string
  readonly taskId: string
  readonly attempt: number
  readonly timeoutMs: number
  readonly since: number
  /** Counts no more from then on (virtual ms). */
  freeAt: number
}

export class Oracle implements Witness {
  readonly #clock: Clock
  readonly #note: (line: string) => void
  readonly #results = new Map<string, DistributedTaskResult>()
  readonly #copies = new Map<string, number>()
  /** The number of the last run that was sent, and the highest that a pool was given. */
  readonly #sent = new Map<string, number>()
  readonly #attempts = new Map<string, number>()
  readonly #overAt = new Map<string, number>()
  readonly #sentTo = new Map<string, string>()
  /** Runs that whoever dispatches now cannot know of: see docs/simulator.md. */
  readonly #unknown = new Set<string>()
  /** How often a number was given a second time for that reason. */
  repeated = 0
  /** With which submission a task was sent to a pool. */
  /** Submissions that were not lost, `<task>/<origin>`. */
  readonly #live = new Set<string>()
  readonly #origins = new Map<string, number>()
  readonly #cancelled = new Set<string>()
  /** Of these the disk has forgotten a result that somebody may have been told. */
  readonly #lost = new Set<string>()
  #dispatcher: string | null = null
  /** Since then nothing was forgotten by the disk: what was said before may be said otherwise. */
  powerLosses = 0
  readonly #abandoned = new Map<string, { attempt: number; at: number }>()
  readonly #accepted = new Set<string>()
  readonly #pools = new Map<string, { plain: boolean; workers: number; runs: Map<string, PoolRun> }>()
  /** Runs of plain pools that nobody knew of at a take-over. */
  forgotten = 0
  violation: Violation | null = null

  constructor(clock: Clock, note: (line: string) => void) {
    this.#clock = clock
    this.#note = note
  }

  fail(what: string): void {
    this.violation ??= new Violation(what)
  }

  // Storage

  submitted(message: StoredMessage): void {
    this.#note(`stored ${message.feed}/${message.id} as ${message.sequence}`)
    this.#count(message)
  }

  #count(message: StoredMessage): void {
    for (const { task_id } of message.tasks) {
      this.#accepted.add(task_id)
      this.#live.add(`${task_id}/${message.origin}`)
      this.#copies.set(task_id, (this.#copies.get(task_id) ?? 0) + 1)
    }
  }

  deleted(message: StoredMessage): void {
    this.#note(`gone ${message.feed}/${message.id}, which was ${message.sequence}`)
    for (const { task_id } of message.tasks) {
      const copies = (this.#copies.get(task_id) ?? 0) - 1
      this.#copies.set(task_id, copies)
      if (copies <= 0 && !this.#results.has(task_id)) this.fail(`S2: ${task_id} is gone without a result`)
    }
  }

  stored(_subject: string, results: readonly DistributedTaskResult[]): void {
    for (const result of results) {
      const known = this.#results.get(result.task_id)
      if (known) this.fail(`S1: ${result.task_id} is stored ${known.status} and again ${result.status}`)
      this.#results.set(result.task_id, result)
      this.#note(`result of ${result.task_id}: ${result.status}`)
      if (this.#cancelled.has(result.task_id) && result.status !== 'cancelled')
        this.fail(`S6: ${result.task_id} was confirmed cancelled and is stored ${result.status}`)
      this.#branches(result)
    }
  }

  #branches({ task_id, output }: DistributedTaskResult): void {
    const branches = output?.['branches']
    if (!Array.isArray(branches)) return
    for (const branch of branches as DistributedTaskResult[]) {
      const known = this.#results.get(branch.task_id)
      if (known && known.status !== branch.status && !this.#lost.has(branch.task_id))
        this.fail(`S8: ${task_id} says ${branch.status} of ${branch.task_id}, which is ${known.status}`)
    }
  }

  lost(_subject: string, results: readonly DistributedTaskResult[]): void {
    for (const result of results) {
      this.#note(`lost the result of ${result.task_id}`)
      this.#results.delete(result.task_id)
      this.#lost.add(result.task_id)
      this.#cancelled.delete(result.task_id)
    }
  }

  /** Power was lost: what was stored and not synced is gone, and that is what the setting says. */
  undone(messages: Iterable<StoredMessage>): void {
    this.powerLosses++
    this.#copies.clear()
    this.#origins.clear()
    this.#live.clear()
    this.#attempts.clear()
    for (const message of messages) this.#count(message)
    for (const taskId of this.#accepted)
      if (!this.#results.has(taskId) && !this.#copies.get(taskId)) this.#accepted.delete(taskId)
  }

  told(results: readonly DistributedTaskResult[]): void {
    for (const { task_id, status } of results) {
      const known = this.#results.get(task_id)
      if (known && known.status !== status)
        this.fail(`S1: ${task_id} was told ${status} and is stored ${known.status}`)
    }
  }

  /** @param losses power losses when it was asked for: what was confirmed before one may be gone */
  confirmedCancelled(taskId: string, losses: number): void {
    this.#note(`${taskId} is said to be cancelled`)
    if (losses !== this.powerLosses) return
    this.#cancelled.add(taskId)
    const known = this.#results.get(taskId)
    if (known && known.status !== 'cancelled')
      this.fail(`S6: ${taskId} was confirmed cancelled and is ${known.status}`)
  }

  /** Somebody was told a terminal status. */
  saidStatus(taskId: string, status: string, losses: number): void {
    const known = this.#results.get(taskId)
    if (losses === this.powerLosses && known && known.status !== status)
      this.fail(`S1: of ${taskId} ${status} was said, and ${known.status} is stored`)
  }

  resultOf(taskId: string): DistributedTaskResult | undefined {
    return this.#results.get(taskId)
  }

  get open(): string[] {
    return [...this.#accepted].filter((taskId) => !this.#results.has(taskId))
  }

  get ended(): number {
    return this.#results.size
  }

  // Runs

  /** @param origin of the submission */
  dispatched(pool: string, taskId: string, attempt: number, origin: number): void {
    this.#note(`run ${taskId}/${attempt} goes to ${pool}`)
    this.#sent.set(taskId, attempt)
    const first = this.#origins.get(taskId)
    if (first !== undefined && first !== origin)
      this.fail(`S7: ${taskId} was submitted twice (${first}, ${origin}) and is run for both`)
    if (this.#live.has(`${taskId}/${origin}`)) this.#origins.set(taskId, origin)

    const known = this.#attempts.get(taskId) ?? 0
    if (attempt <= known && this.#unknown.has(`${taskId}/${known}`)) this.repeated++
    else if (attempt <= known) this.fail(`S4: ${taskId} is sent as run ${attempt} after run ${known}`)
  }

  /** A pool has been given the run. */
  received(pool: string, { task, attempt, sentAt }: Work): void {
    const taskId = task.task_id
    if (this.#clock.now - sentAt > LATE_MS) return
    if (attempt <= (this.#attempts.get(taskId) ?? 0)) return
    this.#sentTo.set(taskId, pool)
    this.#attempts.set(taskId, attempt)
  }

  failedBy(taskId: string, attempt: number, current: number): void {
    if (attempt < current) this.fail(`S5: run ${attempt} of ${taskId} fails it while run ${current} counts`)
  }

  pool(name: string, plain: boolean, workers: number): void {
    this.#pools.set(name, { plain, workers, runs: new Map() })
  }

  /** The pool's process is gone, and its runs with it. */
  poolGone(name: string, process: string): void {
    const runs = this.#pools.get(name)?.runs
    for (const [key, run] of runs ?? []) if (run.process === process) runs?.delete(key)
  }

  began(
    name: string,
    run: { process: string; taskId: string; attempt: number; timeoutMs: number; sentAt: number },
  ): void {
    const { process, taskId, attempt, timeoutMs, sentAt } = run
    const pool = this.#pools.get(name)
    if (!pool) return
    const { now } = this.#clock
    this.#note(`${name} begins ${taskId}/${attempt}`)
    const abandoned = this.#abandoned.get(`${name} ${taskId}`)
    const givenUp = abandoned && attempt <= abandoned.attempt
    const graceEnd = givenUp ? abandoned.at + graceOf(timeoutMs) : Number.POSITIVE_INFINITY
    const freeAt = now - sentAt > LATE_MS ? now : graceEnd
    pool.runs.set(`${process} ${taskId}/${attempt}`, {
      process,
      taskId,
      attempt,
      timeoutMs,
      since: now,
      freeAt,
    })
    const counted = [...pool.runs.values()].filter((run) => run.freeAt > now)
    if (counted.length > pool.workers)
      this.fail(
        `S3: ${name} has ${counted.map((run) => `${run.taskId}/${run.attempt}`).join(', ')} on ${pool.workers} workers`,
      )
  }

  over(name: string, process: string, taskId: string, attempt: number): void {
    this.#note(`${name} ends ${taskId}/${attempt}`)
    this.#overAt.set(`${taskId}/${attempt}`, this.#clock.now)
    this.#pools.get(name)?.runs.delete(`${process} ${taskId}/${attempt}`)
  }

  /** An executor has given up the task's runs there, also what is on its way. */
  abandoned(name: string, taskId: string): void {
    const { now } = this.#clock
    this.#abandoned.set(`${name} ${taskId}`, { attempt: this.#sent.get(taskId) ?? 0, at: now })
    for (const run of this.#pools.get(name)?.runs.values() ?? [])
      if (run.taskId === taskId) run.freeAt = Math.min(run.freeAt, now + graceOf(run.timeoutMs))
  }

  /** Of pools that did not answer what they run, nobody who takes over knows it; nor of what they answered long ago. */
  asked(answered: ReadonlySet<string>): void {
    const long = this.#clock.now - KEPT_MS
    for (const [taskId, attempt] of this.#attempts) {
      const pool = this.#sentTo.get(taskId) ?? ''
      const isOld = (this.#overAt.get(`${taskId}/${attempt}`) ?? Number.POSITIVE_INFINITY) < long
      const isWorker = this.#pools.get(pool)?.plain === false
      if (isWorker && (isOld || !answered.has(pool))) this.#unknown.add(`${taskId}/${attempt}`)
    }
  }

  /** An executor takes over. Where it has not followed its predecessor it knows of plain pools what was written down. */
  tookOver(id: string, following: string | null, knows: (taskId: string, attempt: number) => boolean): void {
    const followed = following !== null && following === this.#dispatcher
    this.#dispatcher = id
    if (followed) return
    for (const [taskId, attempt] of this.#attempts) {
      const isPlain = this.#pools.get(this.#sentTo.get(taskId) ?? '')?.plain === true
      if (isPlain && !this.#results.has(taskId) && !knows(taskId, attempt))
        this.#unknown.add(`${taskId}/${attempt}`)
    }
    for (const { plain, runs } of this.#pools.values())
      for (const run of plain ? runs.values() : [])
        if (!knows(run.taskId, run.attempt) && run.freeAt > this.#clock.now) {
          run.freeAt = this.#clock.now
          this.forgotten++
        }
  }
}
