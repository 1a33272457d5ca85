// Deleting a Job, and waiting until nothing of it runs any more.
import { setTimeout as pause } from 'node:timers/promises'
import type { V1Job, V1Pod } from '@kubernetes/client-node'
import type { ClusterClient } from './access.ts'
import { failureOf } from './failures.ts'

const FIRST_LOOK_MS = 100
const MAX_LOOK_MS = 2_000
/** Beyond the grace that pods have, for a cluster that is slow or away. */
const PATIENCE_MS = 60_000
const DEFAULT_GRACE_S = 30

interface Doomed {
  client: ClusterClient
  namespace: string
  name: string
  /** Of that Job and of no other with its name. */
  uid: string
  /** Seconds that its pod has to end; undefined: the cluster's default. */
  graceSeconds: number | undefined
}

export interface Deleted {
  /** Neither the Job nor a container of it is left. */
  gone: boolean
  /** A container of it had begun. */
  begun: boolean
}

/**
 * Background propagation takes the Job away at once, and its pod a little later: only when that has ended too is it gone.
 * Never rejects; what fails is tried again, as long as somebody can wait for it.
 */
export async function deleteJob(job: Doomed, signal: AbortSignal): Promise<Deleted> {
  const { client, namespace, name, uid } = job
  const end = performance.now() + (job.graceSeconds ?? DEFAULT_GRACE_S) * 1000 + PATIENCE_MS
  let begun = false
  let deleted = false
  for (let delay = FIRST_LOOK_MS; ; delay = Math.min(MAX_LOOK_MS, delay * 2)) {
    try {
      if (!deleted)
        await client.batch.deleteNamespacedJob({
          namespace,
          name,
          body: { propagationPolicy: 'Background', preconditions: { uid } },
        })
      deleted = true
    } catch (error) {
      const { kind } = failureOf(error)
      // Another Job has the name by now.
      deleted = kind === 'not_found' || kind === 'exists'
    }
    try {
      if (deleted) {
        const pods = await podsOf(client, namespace, name, uid)
        begun ||= pods.some(hasBegun)
        if (pods.every(isOver)) return { gone: true, begun }
      }
    } catch {
      // Looked at again.
    }
    if (signal.aborted || performance.now() > end) return { gone: false, begun }
    await pause(delay, undefined, { signal }).catch(() => {})
  }
}

/**
 * Deletes Jobs that have ended, one after the other: nobody waits for it, and a cluster has other work.
 * @throws what the client throws, but for a Job that is gone or another by now
 */
export async function deleteJobs(
  { batch }: ClusterClient,
  jobs: readonly V1Job[],
  signal: AbortSignal,
): Promise<void> {
  for (const { metadata } of jobs) {
    signal.throwIfAborted()
    const { name, namespace, uid } = metadata ?? {}
    if (name === undefined || namespace === undefined || uid === undefined) continue
    const body = { propagationPolicy: 'Background', preconditions: { uid } }
    try {
      await batch.deleteNamespacedJob({ namespace, name, body })
    } catch (error) {
      const { kind } = failureOf(error)
      if (kind !== 'not_found' && kind !== 'exists') throw error
    }
  }
}

/**
 * The Job of that name, or null: there is none.
 * @throws what the client throws, after a while in which it was asked again
 */
export async function findJob(
  { batch }: ClusterClient,
  namespace: string,
  name: string,
  signal: AbortSignal,
): Promise<V1Job | null> {
  const end = performance.now() + PATIENCE_MS
  for (let delay = FIRST_LOOK_MS; ; delay = Math.min(MAX_LOOK_MS, delay * 2)) {
    try {
      return await batch.readNamespacedJob({ namespace, name })
    } catch (error) {
      if (failureOf(error).kind === 'not_found') return null
      if (signal.aborted || performance.now() > end) throw error
    }
    await pause(delay, undefined, { signal }).catch(() => {})
  }
}

/** @throws what the client throws */
export async function podsOf(
  { core }: ClusterClient,
  namespace: string,
  name: string,
  uid: string,
): Promise<V1Pod[]> {
  const { items } = await core.listNamespacedPod({ namespace, labelSelector: `job-name=${name}` })
  return items.filter(({ metadata }) => metadata?.ownerReferences?.some((owner) => owner.uid === uid))
}

const isOver = ({ status }: V1Pod): boolean => status?.phase === 'Succeeded' || status?.phase === 'Failed'

const hasBegun = (pod: V1Pod): boolean =>
  isOver(pod) ||
  (pod.status?.containerStatuses?.some(({ state }) => state?.running || state?.terminated) ?? false)
