// One run as a Job: made, or found to be there already, then followed until it has ended or somebody gives it up.
// Invariants:
//  K1  a task has one Job in a pool at a time: the API refuses a second one of that name, and who is refused goes on with
//      the Job that is there, unless that has ended without completing the task
//  K2  a Job is deleted by its uid, so never another one of its name
//  K3  each run is told at most one end; that nothing runs any more is told besides, when it was given up
import { setTimeout as pause } from 'node:timers/promises'
import type { V1Job, V1Pod } from '@kubernetes/client-node'
import type { Logger } from '@poolmesh/bus'
import type { Run } from '@poolmesh/core'
import type { JobTemplate } from '@poolmesh/types'
import type { RunEvents } from '../adapter.ts'
import type { ClusterClient } from './access.ts'
import { deleteJob, podsOf } from './deletion.ts'
import { type Failure, failureOf } from './failures.ts'
import {
  attemptPatch,
  CONTAINER,
  configMapOf,
  jobName,
  jobOf,
  MAX_TASK_BYTES,
  wantsFile,
  writtenOn,
} from './job.ts'
import type { Follower, NamespaceJobs } from './namespace.ts'
import { endOf, hindranceOf, isCompleted, needsLog, type Outcome, outcomeOf } from './outcome.ts'
import { Telling } from './telling.ts'

const FIRST_RETRY_MS = 100
const MAX_RETRY_MS = 5_000
/** Making a Job that may have been made: then nobody can say, and the run is lost. */
const MAX_BROKEN = 5
/** What a pool that cannot run anything is left alone for: it has to be put right by somebody. */
const MISCONFIGURED_MS = 30_000
/** Of what a Job has printed: its last line. */
const MAX_LOG_BYTES = 1024 * 1024

export interface JobRunParts {
  run: Run
  template: JobTemplate
  jobs: NamespaceJobs
  /** The task as JSON. @throws Error where it cannot be had */
  task(): Promise<string>
  events: RunEvents
  /** Its end was told. */
  over(run: JobRun): void
  log: Logger
}

export class JobRun implements Follower {
  readonly taskId: string
  readonly pool: string
  readonly attempt: number
  readonly name: string
  readonly #parts: JobRunParts
  readonly #telling: Telling
  /** Nothing more is told of its end. */
  readonly #stopped = new AbortController()
  #uid: string | null = null
  /** The newest that was heard of a Job of that name, before it was known which one is ours. */
  #early: V1Job | null = null
  #job: V1Job | null = null
  #followedAt = 0
  #ending = false

  constructor(parts: JobRunParts) {
    this.#parts = parts
    this.#telling = new Telling(parts.run, parts.events)
    const { entry, pool, attempt } = parts.run
    this.taskId = entry.task.task_id
    this.pool = pool.name
    this.attempt = attempt
    this.name = jobName(this.pool, this.taskId)
  }

  get #over(): boolean {
    return this.#stopped.signal.aborted
  }

  get uid(): string | null {
    return this.#uid
  }

  get graceSeconds(): number | undefined {
    return this.#parts.template.grace_seconds
  }

  // ---- how it begins -----------------------------------------------------------------------------------------------

  /** Makes the Job. */
  async begin(): Promise<void> {
    const { run, template, jobs } = this.#parts
    let text: string
    try {
      text = await this.#parts.task()
    } catch (error) {
      return this.#ended((telling) =>
        telling.failed(`the payload could not be passed on: ${(error as Error).message}`),
      )
    }
    const bytes = Buffer.byteLength(text)
    if (bytes > MAX_TASK_BYTES)
      return this.#ended((telling) =>
        telling.failed(`the task has ${bytes} bytes, and a Job can be given ${MAX_TASK_BYTES} at most`),
      )
    const body = jobOf(run, template, text)
    const client = await jobs.client
    let broken = 0
    this.#listen()
    for (let delay = FIRST_RETRY_MS; !this.#over; delay = Math.min(MAX_RETRY_MS, delay * 2)) {
      const failure = await this.#make(client, body)
      if (failure === null) return
      if (failure.kind === 'exists' && (await this.#goOnWithThere(client))) return
      if (this.#over) return
      if (failure.kind === 'unreachable' && broken === 0) return this.#ended((telling) => telling.gone())
      if (failure.kind === 'busy') {
        // A quota is looked at before the name is: it may be there already.
        if (await this.#goOnWithThere(client)) return
        return this.#refused(failure.problem, failure.retryAfterMs)
      }
      if (failure.kind === 'refused' || failure.kind === 'not_found')
        return this.#refused(failure.problem, MISCONFIGURED_MS)
      if (failure.kind !== 'exists' && ++broken >= MAX_BROKEN) return this.lose(failure.problem)
      await this.#pause(delay)
    }
  }

  #listen(): void {
    if (!this.#over) this.#parts.jobs.follow(this.name, this)
  }

  async #make(client: ClusterClient, body: V1Job): Promise<Failure | null> {
    const { namespace } = this.#parts.jobs
    try {
      await this.#isOurs(client, await client.batch.createNamespacedJob({ namespace, body }))
      return null
    } catch (error) {
      return failureOf(error)
    }
  }

  /** A Job that an earlier executor made. */
  async adopt(): Promise<void> {
    const { jobs } = this.#parts
    const client = await jobs.client
    this.#listen()
    if (!(await this.#goOnWithThere(client)) && !this.#over) this.lose('the Job is not there')
  }

  /**
   * K1. @returns false: there is none, or one that has to make room and is gone now
   */
  async #goOnWithThere(client: ClusterClient): Promise<boolean> {
    const { namespace } = this.#parts.jobs
    const job = await this.#again(() => client.batch.readNamespacedJob({ namespace, name: this.name }))
    if (job === null || this.#over) return false
    const written = writtenOn(job)
    const uid = job.metadata?.uid
    if (uid === undefined || written?.taskId !== this.taskId || written.pool !== this.pool) {
      this.#refused(`a Job of the name ${this.name} is there that is not poolmesh’s`, MISCONFIGURED_MS)
      return true
    }
    if (written.attempt > this.attempt) {
      this.lose('a later run of the task has its Job')
      return true
    }
    const isEarlier = written.attempt < this.attempt
    if (isEarlier && endOf(job) !== null) {
      const outcome = await this.#again(() => this.#read(job, uid))
      if (this.#over) return false
      if (outcome !== null && isCompleted(outcome)) return this.#tell(outcome)
      const { graceSeconds } = this
      await deleteJob({ client, namespace, name: this.name, uid, graceSeconds }, this.#stopped.signal)
      return false
    }
    // What makes room already.
    if (job.metadata?.deletionTimestamp) return false
    if (isEarlier) {
      const body = attemptPatch(this.attempt, job.metadata?.resourceVersion)
      const patched = await this.#patch(client, body)
      if (!patched) return false
    }
    await this.#isOurs(client, job)
    return true
  }

  async #patch(client: ClusterClient, body: object): Promise<boolean> {
    const { namespace } = this.#parts.jobs
    const { setHeaderOptions } = await import('@kubernetes/client-node')
    const options = setHeaderOptions('Content-Type', 'application/merge-patch+json')
    try {
      await client.batch.patchNamespacedJob({ namespace, name: this.name, body }, options)
      return true
    } catch {
      // It has changed meanwhile: looked at again.
      return false
    }
  }

  async #isOurs(client: ClusterClient, job: V1Job): Promise<void> {
    this.#uid = job.metadata?.uid ?? null
    this.#followedAt = performance.now()
    this.#parts.jobs.present(this.name, this)
    const early = this.#early
    this.#early = null
    this.changed(job)
    if (early) this.changed(early)
    if (wantsFile(job) && endOf(job) === null) await this.#provide(client, job)
  }

  /** The file that the pod waits for. */
  async #provide(client: ClusterClient, job: V1Job): Promise<void> {
    const { namespace } = this.#parts.jobs
    await this.#again(async () => {
      const body = configMapOf(job, await this.#parts.task())
      try {
        await client.core.createNamespacedConfigMap({ namespace, body })
      } catch (error) {
        if (failureOf(error).kind !== 'exists') throw error
      }
    })
  }

  // ---- how it goes on ----------------------------------------------------------------------------------------------

  changed(job: V1Job): void {
    if (this.#over) return
    if (this.#uid === null) this.#early = job
    if (job.metadata?.uid !== this.#uid) return
    this.#job = job
    if (endOf(job) === null || this.#ending) return
    this.#ending = true
    void this.#end(job)
  }

  vanished(): void {
    if (!this.#over && !this.#ending) this.lose('the Job was deleted')
  }

  get pending(): boolean {
    return !this.#ending && this.#job !== null && !this.#job.status?.ready
  }

  pod(pod: V1Pod | undefined): void {
    if (this.#over || !this.pending) return
    // One that is there and not pending has begun.
    if (pod === undefined && this.#job?.status?.active) return
    const waited = performance.now() - this.#followedAt > this.#parts.template.start_seconds * 1000
    const hindrance = hindranceOf(pod, waited)
    if (hindrance === null) return
    this.#ending = true
    void this.#giveBack(hindrance)
  }

  /** It has not begun and will not: another pool may have more luck. */
  async #giveBack(problem: string): Promise<void> {
    const { jobs, log } = this.#parts
    log.warn({ pool_name: this.pool, task_id: this.taskId, reason: problem }, 'a Job does not begin')
    const target = { client: await jobs.client, namespace: jobs.namespace, name: this.name }
    const uid = this.#uid as string
    const { graceSeconds } = this
    const { begun } = await deleteJob({ ...target, uid, graceSeconds }, this.#stopped.signal)
    if (begun) this.lose('the pod began just as it was given up')
    else this.#refused(problem, MISCONFIGURED_MS)
  }

  async #end(job: V1Job): Promise<void> {
    const outcome = await this.#again(() => this.#read(job, this.#uid as string))
    if (outcome !== null) this.#tell(outcome)
  }

  #tell(outcome: Outcome): true {
    if (outcome.kind === 'lost') this.lose(outcome.problem)
    else this.#ended((telling) => telling.answer(outcome.answer))
    return true
  }

  /** @throws what the client throws */
  async #read(job: V1Job, uid: string): Promise<Outcome> {
    const { namespace } = this.#parts.jobs
    const client = await this.#parts.jobs.client
    const pods = await podsOf(client, namespace, this.name, uid)
    const pod = pods.at(-1)
    const name = pod?.metadata?.name
    if (name === undefined || !needsLog(job, pod)) return outcomeOf(job, pod, '', false)
    const log = await client.core.readNamespacedPodLog({
      namespace,
      name,
      container: CONTAINER,
      tailLines: 1,
      limitBytes: MAX_LOG_BYTES,
    })
    return outcomeOf(job, pod, log ?? '', Buffer.byteLength(log ?? '') >= MAX_LOG_BYTES)
  }

  /** Until it is answered or nobody waits for it any more. @returns null: there is no such thing, or nobody waits */
  async #again<T>(ask: () => Promise<T>): Promise<T | null> {
    for (let delay = FIRST_RETRY_MS; !this.#over; delay = Math.min(MAX_RETRY_MS, delay * 2)) {
      try {
        return await ask()
      } catch (error) {
        const failure = failureOf(error)
        if (failure.kind === 'not_found') return null
        this.#parts.log.debug(
          { pool_name: this.pool, task_id: this.taskId, reason: failure.problem },
          'the API server is asked again',
        )
        const asked = failure.kind === 'busy' ? (failure.retryAfterMs ?? 0) : 0
        await this.#pause(Math.max(delay, Math.min(MAX_RETRY_MS, asked)))
      }
    }
    return null
  }

  async #pause(ms: number): Promise<void> {
    const { signal } = this.#stopped
    await pause(ms * (0.75 + Math.random() / 2), undefined, { signal }).catch(() => {})
  }

  // ---- how it ends -------------------------------------------------------------------------------------------------

  /** No more is told of it, and the Job goes on. */
  stop(): void {
    this.#stopped.abort()
    this.#parts.jobs.unfollow(this.name, this)
  }

  cancelled(): void {
    this.#telling.cancelled()
  }

  lose(problem: string): void {
    this.#ended((telling) => telling.lost(problem))
  }

  #refused(problem: string, retryAfterMs: number | null): void {
    this.#ended((telling) => telling.refused(problem, retryAfterMs))
  }

  /** K3 */
  #ended(tell: (telling: Telling) => void): void {
    if (this.#over) return
    this.stop()
    tell(this.#telling)
    this.#parts.over(this)
  }
}
