// What the cluster does by itself: a pod for each Job, a process for each pod, the Job's conditions, deadlines, deletion.
import { randomUUID } from 'node:crypto'
import { apiTime, isFinished, type Job, type Pod } from './objects.ts'
import { ContainerProcess, type Exit } from './process.ts'
import type { Store } from './store.ts'

/** What happens to a Job's pod instead of what its command does; `no_pod`: none is made. */
export type PodFault = 'image_pull' | 'unschedulable' | 'no_pod' | 'oom' | 'evicted'

/** More processes are not started: further pods wait, as on a cluster without room. */
const MAX_PROCESSES = 64
const DEFAULT_GRACE_S = 30

const OOM: Exit = { code: 137, message: '' }

export class Controller {
  /** By pod name. */
  readonly processes = new Map<string, ContainerProcess>()
  /** Logs of pods that have ended, as long as the pod is there. */
  readonly #logs = new Map<string, string>()
  readonly #store: Store
  readonly #fault: (job: Job) => PodFault | null
  readonly #timers = new Set<NodeJS.Timeout>()
  #closed = false
  /** Names of the Jobs whose command was started, once for each start. */
  readonly started: string[] = []

  constructor(store: Store, fault: (job: Job) => PodFault | null) {
    this.#store = store
    this.#fault = fault
  }

  #later(ms: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      work()
    }, ms)
    // Nobody waits for deadlines and clean-ups when the server has closed.
    timer.unref()
    this.#timers.add(timer)
  }

  logOf(pod: Pod): string {
    const { name } = pod.metadata
    return this.processes.get(name)?.log ?? this.#logs.get(name) ?? ''
  }

  #podOf({ metadata }: Job): Pod | undefined {
    return this.#store
      .all<Pod>('Pod')
      .find((pod) => pod.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid))
  }

  jobCreated(job: Job): void {
    if (this.#closed || this.#store.find('Job', job.metadata.namespace, job.metadata.name) !== job) return
    job.status.startTime = apiTime()
    const { activeDeadlineSeconds } = job.spec
    if (activeDeadlineSeconds !== undefined)
      this.#later(activeDeadlineSeconds * 1000, () => this.#deadline(job))
    const fault = this.#fault(job)
    if (fault === 'no_pod') return
    const { name, namespace, uid } = job.metadata
    const { metadata, spec } = job.spec.template
    const pod = this.#store.add<Pod>({
      kind: 'Pod',
      apiVersion: 'v1',
      metadata: {
        name: `${name.slice(0, 56)}-${randomUUID().slice(0, 5)}`,
        namespace,
        labels: { ...metadata?.labels, 'job-name': name, 'batch.kubernetes.io/job-name': name },
        ownerReferences: [{ kind: 'Job', name, uid }],
      },
      spec,
      status: { phase: 'Pending' },
    })
    job.status.active = 1
    this.#store.touch(job)
    this.#schedule(job, pod, fault)
  }

  #schedule(job: Job, pod: Pod, fault: PodFault | null): void {
    const container = pod.spec.containers[0]
    if (fault === 'unschedulable' || this.processes.size >= MAX_PROCESSES) {
      const message = '0/1 nodes are available: 1 Insufficient cpu.'
      pod.status.conditions = [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }]
      this.#store.touch(pod)
      if (fault === null) this.#later(100, () => this.#schedule(job, pod, null))
      return
    }
    if (this.#closed || pod.metadata.deletionTimestamp) return
    pod.status.conditions = [{ type: 'PodScheduled', status: 'True' }]
    if (fault === 'image_pull') {
      const message = `Back-off pulling image "${container?.image}"`
      pod.status.containerStatuses = [
        { name: container?.name ?? '', state: { waiting: { reason: 'ImagePullBackOff', message } } },
      ]
      this.#store.touch(pod)
      return
    }
    const { namespace } = pod.metadata
    const missing = pod.spec.volumes?.some(
      ({ configMap }) => configMap && !this.#store.find('ConfigMap', namespace, configMap.name),
    )
    if (!missing) {
      this.#run(job, pod, fault)
      return
    }
    pod.status.containerStatuses = [
      { name: container?.name ?? '', state: { waiting: { reason: 'ContainerCreating' } } },
    ]
    this.#store.touch(pod)
    this.#later(100, () => this.#schedule(job, pod, fault))
  }

  #run(job: Job, pod: Pod, fault: PodFault | null): void {
    const { name, namespace } = pod.metadata
    const running = new ContainerProcess(pod.spec, (configMap) =>
      this.#store.find('ConfigMap', namespace, configMap),
    )
    this.processes.set(name, running)
    this.started.push(job.metadata.name)
    pod.status.phase = 'Running'
    pod.status.containerStatuses = [
      { name: pod.spec.containers[0]?.name ?? '', state: { running: { startedAt: apiTime() } } },
    ]
    this.#store.touch(pod)
    job.status.ready = 1
    this.#store.touch(job)
    if (fault === 'oom' || fault === 'evicted') running.kill('SIGKILL')
    void running.ended.then((exit) => {
      this.#logs.set(name, running.log)
      this.processes.delete(name)
      if (fault === 'evicted') this.#evicted(job, pod)
      else this.#podEnded(job, pod, fault === 'oom' ? OOM : exit, fault === 'oom' ? 'OOMKilled' : null)
    })
  }

  #evicted(job: Job, pod: Pod): void {
    const message = 'The node was low on resource: memory.'
    Object.assign(pod.status, { phase: 'Failed', reason: 'Evicted', message })
    pod.status.conditions?.push({ type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet' })
    this.#store.touch(pod)
    this.#finish(job, 'Failed', 'BackoffLimitExceeded', 'Job has reached the specified backoff limit')
  }

  #podEnded(job: Job, pod: Pod, { code, message }: Exit, reason: string | null): void {
    pod.status.phase = code === 0 ? 'Succeeded' : 'Failed'
    const terminated = {
      exitCode: code,
      reason: reason ?? (code === 0 ? 'Completed' : 'Error'),
      finishedAt: apiTime(),
      ...(message === '' ? {} : { message }),
    }
    pod.status.containerStatuses = [{ name: pod.spec.containers[0]?.name ?? '', state: { terminated } }]
    this.#store.touch(pod)
    if (pod.metadata.deletionTimestamp) this.#removePod(pod)
    else if (code === 0) this.#finish(job, 'Complete', undefined, undefined)
    else this.#finish(job, 'Failed', 'BackoffLimitExceeded', 'Job has reached the specified backoff limit')
  }

  #finish(job: Job, type: 'Complete' | 'Failed', reason?: string, message?: string): void {
    if (isFinished(job)) return
    const { status } = job
    status.active = 0
    status.ready = 0
    if (type === 'Complete') {
      status.succeeded = 1
      status.completionTime = apiTime()
    } else status.failed = 1
    status.conditions = [
      {
        type,
        status: 'True',
        lastTransitionTime: apiTime(),
        ...(reason === undefined ? {} : { reason }),
        ...(message === undefined ? {} : { message }),
      },
    ]
    this.#store.touch(job)
    const ttl = job.spec.ttlSecondsAfterFinished
    if (ttl !== undefined) this.#later(ttl * 1000, () => this.deleteJob(job, 'Background'))
  }

  /** The pod is deleted, and the Job fails when it has ended. */
  #deadline(job: Job): void {
    if (isFinished(job) || job.metadata.deletionTimestamp) return
    const pod = this.#podOf(job)
    const failed = (): void =>
      this.#finish(job, 'Failed', 'DeadlineExceeded', 'Job was active longer than specified deadline')
    if (pod) this.#deletePod(pod, failed)
    else failed()
  }

  deleteJob(job: Job, propagation: string): void {
    const pod = this.#podOf(job)
    if (propagation === 'Foreground' && pod) {
      job.metadata.deletionTimestamp = apiTime()
      this.#store.touch(job)
      this.#deletePod(pod, () => this.#store.remove(job))
      return
    }
    this.#store.remove(job)
    if (pod && propagation !== 'Orphan') this.#deletePod(pod)
    for (const map of this.#store.all('ConfigMap'))
      if (map.metadata.ownerReferences?.some(({ uid }) => uid === job.metadata.uid)) this.#store.remove(map)
  }

  /** Told to end, and killed when its grace is over. */
  #deletePod(pod: Pod, then?: () => void): void {
    const running = this.processes.get(pod.metadata.name)
    pod.metadata.deletionTimestamp = apiTime()
    this.#store.touch(pod)
    if (!running) {
      this.#removePod(pod)
      then?.()
      return
    }
    running.kill('SIGTERM')
    this.#later((pod.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_S) * 1000, () =>
      running.kill('SIGKILL'),
    )
    if (then) void running.ended.then(then)
  }

  #removePod(pod: Pod): void {
    this.#store.remove(pod)
    this.#logs.delete(pod.metadata.name)
  }

  /** Nothing is left of its processes. */
  async close(): Promise<void> {
    this.#closed = true
    for (const timer of this.#timers) clearTimeout(timer)
    const running = [...this.processes.values()]
    for (const process of running) process.kill('SIGKILL')
    await Promise.all(running.map(({ ended }) => ended))
    for (const timer of this.#timers) clearTimeout(timer)
  }
}
