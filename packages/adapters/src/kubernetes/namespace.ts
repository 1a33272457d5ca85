// The Jobs of one namespace: listed once, then watched by one request for all of them. A watch that ends is begun again
// where it was (bookmarks say how far that is); one that is too old begins with a list.
import { setTimeout as pause } from 'node:timers/promises'
import type { KubernetesListObject, V1Job, V1JobList, V1Pod } from '@kubernetes/client-node'
import type { Logger } from '@poolmesh/bus'
import { isJsonObject } from '@poolmesh/types'
import type { ClusterClient } from './access.ts'
import { failureOf } from './failures.ts'
import { MANAGED, selectorOf } from './job.ts'

const PAGE = 500
const FIRST_RETRY_MS = 100
const MAX_RETRY_MS = 5_000
/** A watch that nobody needs is kept for a while: the next task is usually near. */
const IDLE_MS = 60_000
/** Pods that do not begin are looked at together, and only while there are any. */
const PENDING_LOOK_MS = 1_000

/** Who follows a Job. */
export interface Follower {
  /** Of its Job, once that is known. */
  readonly uid: string | null
  /** A Job of that name, each time that it has changed. */
  changed(job: V1Job): void
  /** Its Job is not there any more. */
  vanished(): void
  /** Whether it waits for its pod to begin. */
  readonly pending: boolean
  /** What its pod looks like while it has not begun. */
  pod(pod: V1Pod | undefined): void
}

interface Followed {
  follower: Follower
  /** Whether the Job is known to be there: one that a list does not have is gone then. */
  present: boolean
}

export class NamespaceJobs {
  readonly namespace: string
  readonly #open: () => Promise<ClusterClient>
  readonly #log: Logger
  readonly #followed = new Map<string, Followed>()
  #stop: AbortController | null = null
  #pendingTimer: NodeJS.Timeout | undefined
  #lastUsed = performance.now()
  /** The end of the watch that goes on. */
  #watching: AbortController | null = null

  /** @param open asked each time: it keeps what it has opened */
  constructor(namespace: string, open: () => Promise<ClusterClient>, log: Logger) {
    this.namespace = namespace
    this.#open = open
    this.#log = log
  }

  get client(): Promise<ClusterClient> {
    return this.#open()
  }

  follow(name: string, follower: Follower): void {
    this.#lastUsed = performance.now()
    this.#followed.set(name, { follower, present: false })
    if (this.#stop === null) {
      this.#stop = new AbortController()
      void this.#run(this.#stop.signal)
      this.#lookLater()
    }
  }

  /** The Job is there. */
  present(name: string, follower: Follower): void {
    const followed = this.#followed.get(name)
    if (followed?.follower === follower) followed.present = true
  }

  unfollow(name: string, follower: Follower): void {
    if (this.#followed.get(name)?.follower === follower) this.#followed.delete(name)
    this.#lastUsed = performance.now()
  }

  /** Ends the watch where nobody has needed it for a while. */
  sweep(): void {
    if (this.#followed.size === 0 && performance.now() - this.#lastUsed > IDLE_MS) this.stop()
  }

  stop(): void {
    this.#followed.clear()
    this.#stop?.abort()
    this.#stop = null
    this.#watching?.abort()
    this.#watching = null
    clearTimeout(this.#pendingTimer)
  }

  /** All Jobs of a pool. @throws what the client throws */
  async list(pool: string | null, signal?: AbortSignal): Promise<{ jobs: V1Job[]; version: string }> {
    const { batch } = await this.client
    const jobs: V1Job[] = []
    let next: string | undefined
    let version = ''
    do {
      const page: V1JobList = await batch.listNamespacedJob({
        namespace: this.namespace,
        labelSelector: pool === null ? MANAGED : selectorOf(pool),
        limit: PAGE,
        ...(next ? { _continue: next } : {}),
      })
      signal?.throwIfAborted()
      jobs.push(...page.items)
      version = page.metadata?.resourceVersion ?? ''
      next = page.metadata?._continue
    } while (next)
    return { jobs, version }
  }

  async #run(signal: AbortSignal): Promise<void> {
    let version: string | null = null
    let delay = FIRST_RETRY_MS
    while (!signal.aborted) {
      try {
        version ??= await this.#begin(signal)
        const begun: string = version
        version = await this.#watch(version, signal)
        // A server that ends watches at once is not asked without a pause.
        if (version !== begun) delay = FIRST_RETRY_MS
        if (version === null) continue
      } catch (error) {
        if (signal.aborted) return
        const failure = failureOf(error)
        if (failure.kind === 'expired') version = null
        this.#log.debug({ namespace: this.namespace, reason: failure.problem }, 'a watch of Jobs ended')
      }
      await pause(delay * (0.75 + Math.random() / 2), undefined, { signal }).catch(() => {})
      delay = Math.min(MAX_RETRY_MS, delay * 2)
    }
  }

  /** Lists, and tells everybody how things are. @returns where to watch from */
  async #begin(signal: AbortSignal): Promise<string> {
    const known = [...this.#followed].filter(([, { present }]) => present)
    const { jobs, version } = await this.list(null, signal)
    signal.throwIfAborted()
    const listed = new Set(jobs.map(({ metadata }) => metadata?.uid))
    for (const job of jobs) this.#tell(job)
    for (const [name, { follower }] of known)
      if (!listed.has(follower.uid ?? '') && this.#followed.get(name)?.follower === follower)
        follower.vanished()
    return version
  }

  #tell(job: V1Job): void {
    this.#followed.get(job.metadata?.name ?? '')?.follower.changed(job)
  }

  /** @returns how far it came, or null: what was watched from is too old. @throws where it could not begin */
  async #watch(from: string, signal: AbortSignal): Promise<string | null> {
    const { watch } = await this.client
    const { promise, resolve, reject } = Promise.withResolvers<string | null>()
    let version = from
    let expired = false
    const path = `/apis/batch/v1/namespaces/${this.namespace}/jobs`
    const query = { labelSelector: MANAGED, allowWatchBookmarks: true, resourceVersion: from }
    const controller = await watch.watch(
      path,
      query,
      (phase, object: unknown) => {
        if (signal.aborted) return
        if (phase === 'ERROR') expired = isJsonObject(object) && object['code'] === 410
        else version = this.#hear(phase, object as V1Job) ?? version
      },
      (error: unknown) => {
        if (error && version === from && !expired) reject(error)
        else resolve(expired ? null : version)
      },
    )
    if (signal.aborted) controller.abort()
    else this.#watching = controller
    return await promise
  }

  /** @returns the version that was heard of */
  #hear(phase: string, job: V1Job): string | undefined {
    if (phase === 'ADDED' || phase === 'MODIFIED') this.#tell(job)
    else if (phase === 'DELETED') {
      const follower = this.#followed.get(job.metadata?.name ?? '')?.follower
      if (follower && follower.uid === job.metadata?.uid) follower.vanished()
    }
    return job.metadata?.resourceVersion
  }

  #lookLater(): void {
    this.#pendingTimer = setTimeout(() => void this.#look(), PENDING_LOOK_MS)
  }

  /** One request for all pods that have not begun. */
  async #look(): Promise<void> {
    const stop = this.#stop
    const waiting = [...this.#followed].filter(([, { follower, present }]) => present && follower.pending)
    try {
      if (waiting.length > 0) {
        const { core } = await this.client
        const pods: KubernetesListObject<V1Pod> = await core.listNamespacedPod({
          namespace: this.namespace,
          labelSelector: MANAGED,
          fieldSelector: 'status.phase=Pending',
          limit: PAGE,
        })
        const byJob = new Map(pods.items.map((pod) => [pod.metadata?.labels?.['job-name'] ?? '', pod]))
        for (const [name, { follower }] of waiting)
          if (this.#followed.get(name)?.follower === follower) follower.pod(byJob.get(name))
      }
    } catch (error) {
      this.#log.debug(
        { namespace: this.namespace, reason: failureOf(error).problem },
        'pods cannot be listed',
      )
    }
    if (stop !== null && this.#stop === stop) this.#lookLater()
  }
}
