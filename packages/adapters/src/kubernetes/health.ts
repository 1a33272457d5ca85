// How a Kubernetes pool is: whether the API answers us, and whether the namespace's quota leaves room for one more Job.
import type { V1ResourceQuota } from '@kubernetes/client-node'
import type { PoolDescriptor } from '@poolmesh/types'
import { ClusterAccess } from './access.ts'
import { failureOf } from './failures.ts'
import { templateOf } from './template.ts'

export type ClusterFinding =
  /** `full`: a quota lets no further Job begin. */
  | { kind: 'answered'; full: boolean }
  /** `absent`: nobody listens there. */
  | { kind: 'failed'; how: 'unreachable' | 'timed_out' | 'refused'; problem: string; absent: boolean }
  /** There are no credentials for it, or its template is not valid: nothing was asked. */
  | { kind: 'unknown' }

/** What a Job needs one more of. */
const COUNTED = ['count/jobs.batch', 'count/pods', 'pods']

export class KubernetesHealth implements Disposable {
  readonly #access: ClusterAccess

  /** @param kubeconfig as of the adapter */
  constructor(kubeconfig: string | undefined) {
    this.#access = new ClusterAccess(kubeconfig)
  }

  /** Never rejects. Takes `timeoutMs` at most. */
  async check(
    { endpoint, metadata }: { endpoint: string | null; metadata: PoolDescriptor['metadata'] },
    timeoutMs: number,
  ): Promise<ClusterFinding> {
    const read = templateOf(metadata)
    if (!read.ok || endpoint === null || this.#access.obstacle(endpoint) !== null) return { kind: 'unknown' }
    const late = Promise.withResolvers<ClusterFinding>()
    const timer = setTimeout(() => {
      const problem = `no answer within ${timeoutMs / 1000} s`
      late.resolve({ kind: 'failed', how: 'timed_out', problem, absent: false })
    }, timeoutMs)
    try {
      return await Promise.race([this.#ask(endpoint, read.template.namespace), late.promise])
    } finally {
      clearTimeout(timer)
    }
  }

  async #ask(endpoint: string, namespace: string): Promise<ClusterFinding> {
    try {
      const { core } = await this.#access.client(endpoint)
      const { items } = await core.listNamespacedResourceQuota({ namespace })
      return { kind: 'answered', full: items.some(isFull) }
    } catch (error) {
      // Who may not read quotas is answered all the same.
      if ((error as { code?: unknown }).code === 403) return { kind: 'answered', full: false }
      const { kind, problem } = failureOf(error)
      const how = kind === 'unreachable' || kind === 'broken' ? 'unreachable' : 'refused'
      // What the API says of it names the account.
      const [said = problem] = problem.split(':')
      return { kind: 'failed', how, problem: said, absent: problem.includes('ECONNREFUSED') }
    }
  }

  [Symbol.dispose](): void {
    this.#access[Symbol.dispose]()
  }
}

/** Both numbers are whole: the resources are counts. */
const isFull = ({ status }: V1ResourceQuota): boolean =>
  COUNTED.some((name) => {
    const hard = status?.hard?.[name]
    return hard !== undefined && Number(status?.used?.[name] ?? 0) >= Number(hard)
  })
