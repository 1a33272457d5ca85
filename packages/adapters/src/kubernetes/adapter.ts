// Pools that are a namespace of a Kubernetes cluster and a Job template: each run is a Job (docs/kubernetes.md).
import { type ClaimCheck, isPayloadRef, type Logger } from '@poolmesh/bus'
import type { Run } from '@poolmesh/core'
import { type DistributedTask, type JobTemplate, type PoolDescriptor, scalingOf } from '@poolmesh/types'
import type { KnownRuns, PoolAdapter, RunEvents, Traits } from '../adapter.ts'
import { ClusterAccess } from './access.ts'
import { deleteJob, deleteJobs, findJob } from './deletion.ts'
import { failureOf } from './failures.ts'
import { jobName, writtenOn } from './job.ts'
import { NamespaceJobs } from './namespace.ts'
import { endOf } from './outcome.ts'
import { JobRun } from './run.ts'
import { templateOf } from './template.ts'

const TRAITS: Traits = { cancel: 'acknowledged', output: true, adoption: 'by_id' }
/** A Job that ended when nobody looked is somebody's run still; what ended earlier was written down, or told. */
const RECENT_MS = 60_000

export interface KubernetesAdapterParts {
  runs: RunEvents
  /** For tasks whose payload travels by reference. */
  claims: Pick<ClaimCheck, 'get'>
  /** A kubeconfig file; undefined: where such a file usually is, or the cluster that we run in. */
  kubeconfig: string | undefined
  log: Logger
}

/** Where the Jobs of a pool are. */
interface Place {
  template: JobTemplate
  jobs: NamespaceJobs
}

export class KubernetesAdapter implements PoolAdapter {
  readonly #parts: KubernetesAdapterParts
  readonly #access: ClusterAccess
  readonly #closing = new AbortController()
  /** By endpoint and namespace. */
  readonly #namespaces = new Map<string, NamespaceJobs>()
  /** By pool, also of those that were registered once. */
  readonly #places = new Map<string, Place>()
  /** By pool and task: almost always one. */
  readonly #runs = new Map<string, Map<JobRun, Promise<void>>>()
  /** Jobs that are being deleted, by pool and task. */
  readonly #deletions = new Map<string, Promise<void>>()
  readonly #warned = new Map<string, string>()

  constructor(parts: KubernetesAdapterParts) {
    this.#parts = parts
    this.#access = new ClusterAccess(parts.kubeconfig)
  }

  serves(pool: PoolDescriptor): boolean {
    return pool.pool_type === 'kubernetes' && this.obstacle(pool) === null
  }

  /** Why none of our kind of pools can run anything, or this one. */
  obstacle(pool: PoolDescriptor): string | null {
    if (pool.pool_type !== 'kubernetes') return null
    const read = templateOf(pool.metadata)
    const problem = read.ok ? this.#access.obstacle(pool.endpoint ?? '') : read.problem
    if (problem !== null) {
      if (this.#warned.get(pool.name) !== problem)
        this.#parts.log.warn({ pool_name: pool.name, reason: problem }, 'tasks cannot be sent to this pool')
      this.#warned.set(pool.name, problem)
      return problem
    }
    this.#warned.delete(pool.name)
    // The library is loaded now, and not when the first task comes or is taken over.
    this.#placeOf(pool)?.jobs.client.catch((error: Error) =>
      this.#parts.log.error({ err: error, pool_name: pool.name }, 'no client of the cluster'),
    )
    return null
  }

  traits(): Traits {
    return TRAITS
  }

  /** What is heard are answers to what it asked itself, so there is nothing to begin with. */
  async act(): Promise<void> {}

  standBy(): void {
    for (const runs of this.#runs.values()) for (const run of runs.keys()) run.stop()
    this.#runs.clear()
    for (const jobs of this.#namespaces.values()) jobs.stop()
  }

  add(run: Run): void {
    this.#follow(run, (job) => job.begin())
  }

  /** A run that an earlier executor began. */
  adopt(run: Run): void {
    this.#follow(run, (job) => job.adopt())
  }

  flush(): void {}

  #placeOf(pool: PoolDescriptor): Place | null {
    const read = templateOf(pool.metadata)
    const endpoint = pool.endpoint ?? ''
    if (!read.ok || this.#access.obstacle(endpoint) !== null) return null
    const { template } = read
    const key = `${endpoint} ${template.namespace}`
    let jobs = this.#namespaces.get(key)
    if (!jobs) {
      jobs = new NamespaceJobs(template.namespace, () => this.#access.client(endpoint), this.#parts.log)
      this.#namespaces.set(key, jobs)
    }
    const place = { template, jobs }
    this.#places.set(pool.name, place)
    return place
  }

  #follow(run: Run, work: (job: JobRun) => Promise<void>): void {
    const { name: pool, descriptor } = run.pool
    const { runs: events, log } = this.#parts
    const { task_id: taskId } = run.entry.task
    const place = this.#placeOf(descriptor)
    if (place === null) {
      events.gone(pool, taskId, run.attempt)
      return
    }
    const key = `${pool}/${taskId}`
    const over = (job: JobRun): void => {
      const known = this.#runs.get(key)
      known?.delete(job)
      if (known?.size === 0) this.#runs.delete(key)
    }
    const job = new JobRun({ run, ...place, task: () => this.#text(run.entry.task), events, log, over })
    // Not one that comes later: it waits for this run.
    const deletion = this.#deletions.get(key)
    const begun = async (): Promise<void> => {
      try {
        await deletion
        await work(job)
      } catch (error) {
        log.error({ err: error, pool_name: pool, task_id: taskId }, 'a run cannot be followed')
        job.lose('the run cannot be followed')
      }
    }
    const known = this.#runs.get(key) ?? new Map<JobRun, Promise<void>>()
    this.#runs.set(key, known)
    // Begun later, so that it is known before anything is told of it.
    known.set(job, Promise.resolve().then(begun))
  }

  async #text(task: DistributedTask): Promise<string> {
    const ref = task['payload_ref']
    if (!isPayloadRef(ref)) return JSON.stringify(task)
    const { payload_ref: _, ...rest } = task
    return JSON.stringify({ ...rest, payload: await this.#parts.claims.get(ref) })
  }

  /** Deletes the Job. That nothing of it runs any more is told as an answer, which gives the slot back. */
  cancel(pool: string, taskId: string): void {
    const key = `${pool}/${taskId}`
    const place = this.#places.get(pool)
    const given = [...(this.#runs.get(key) ?? [])]
    this.#runs.delete(key)
    for (const [run] of given) run.stop()
    if (!place) return
    const before = this.#deletions.get(key)
    const deletion = (async () => {
      await before
      await Promise.all(given.map(([, begun]) => begun))
      await this.#delete(
        place,
        pool,
        taskId,
        given.map(([run]) => run),
      )
    })()
      .catch((error: unknown) => {
        const reason = failureOf(error).problem
        if (!this.#closing.signal.aborted)
          this.#parts.log.warn({ pool_name: pool, task_id: taskId, reason }, 'a Job cannot be deleted')
      })
      .finally(() => {
        if (this.#deletions.get(key) === deletion) this.#deletions.delete(key)
      })
    this.#deletions.set(key, deletion)
  }

  async #delete({ template, jobs }: Place, pool: string, taskId: string, runs: JobRun[]): Promise<void> {
    const client = await jobs.client
    const { namespace } = jobs
    const name = jobName(pool, taskId)
    const { signal } = this.#closing
    const job = await findJob(client, namespace, name, signal)
    const written = job && writtenOn(job)
    const told = Math.max(...runs.map(({ attempt }) => attempt), 0)
    // Of a later run it is not ours to delete.
    const ours =
      written?.pool === pool && written.taskId === taskId && (told === 0 || written.attempt <= told)
    const uid = ours ? job?.metadata?.uid : runs.find((run) => run.uid !== null)?.uid
    if (uid) {
      const graceSeconds = template.grace_seconds
      const { gone } = await deleteJob({ client, namespace, name, uid, graceSeconds }, signal)
      if (!gone) return
    }
    if (signal.aborted) return
    for (const run of runs) run.cancelled()
    if (runs.length === 0 && ours && written)
      this.#parts.runs.answer(pool, taskId, written.attempt, {
        kind: 'answer',
        answer: { status: 'cancelled' },
      })
  }

  /** The Jobs that there are, also those that nobody wrote down: what is adopted then is not begun a second time. */
  async running(pools: readonly PoolDescriptor[], timeoutMs: number): Promise<Map<string, KnownRuns>> {
    const found = new Map<string, KnownRuns>()
    const signal = AbortSignal.timeout(timeoutMs)
    const late = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    const all = pools.map(async (pool) => {
      const place = this.#placeOf(pool)
      if (!place) return
      try {
        const { jobs } = await place.jobs.list(pool.name, signal)
        if (!signal.aborted) found.set(pool.name, runsIn(pool.name, jobs))
      } catch (error) {
        const reason = failureOf(error).problem
        this.#parts.log.warn({ pool_name: pool.name, reason }, 'Jobs cannot be listed')
      }
    })
    await Promise.race([Promise.all(all), late])
    return new Map(found)
  }

  /** Of a pool that pool_spawn made nothing stays in the cluster. Should this fail, the cluster removes what has ended by itself. */
  retire(pool: PoolDescriptor): void {
    if (pool.pool_type !== 'kubernetes' || scalingOf(pool)?.spawned === undefined) return
    const place = this.#placeOf(pool)
    this.#places.delete(pool.name)
    if (place) void this.#removeEnded(pool.name, place.jobs)
  }

  async #removeEnded(pool: string, jobs: NamespaceJobs): Promise<void> {
    const { signal } = this.#closing
    try {
      const found = await jobs.list(pool, signal)
      const ended = found.jobs.filter((job) => writtenOn(job)?.pool === pool && endOf(job) !== null)
      await deleteJobs(await jobs.client, ended, signal)
      if (ended.length > 0) this.#parts.log.info({ pool_name: pool, jobs: ended.length }, 'Jobs removed')
    } catch (error) {
      const reason = failureOf(error).problem
      if (!signal.aborted) this.#parts.log.warn({ pool_name: pool, reason }, 'Jobs cannot be removed')
    }
  }

  sweep(): void {
    for (const jobs of this.#namespaces.values()) jobs.sweep()
  }

  [Symbol.dispose](): void {
    this.standBy()
    this.#closing.abort()
    this.#access[Symbol.dispose]()
  }
}

function runsIn(pool: string, jobs: Awaited<ReturnType<NamespaceJobs['list']>>['jobs']): KnownRuns {
  const now = Date.now()
  return jobs.flatMap((job) => {
    const written = writtenOn(job)
    if (written?.pool !== pool || job.metadata?.deletionTimestamp) return []
    const { creationTimestamp } = job.metadata ?? {}
    const changedAt = job.status?.conditions?.at(-1)?.lastTransitionTime
    if (endOf(job) && (!changedAt || now - new Date(changedAt).getTime() > RECENT_MS)) return []
    const startedAt = creationTimestamp ? new Date(creationTimestamp).getTime() : now
    return [{ taskId: written.taskId, attempt: written.attempt, startedAt: Math.min(now, startedAt) }]
  })
}
