// How a pool is asked for its health: one kind of probe for each type of pool.
import type { FailureReason } from '@poolmesh/core'
import type { HealthStatus, PoolDescriptor, PoolType } from '@poolmesh/types'

export interface ProbeTarget {
  readonly name: string
  readonly endpoint: string | null
  readonly metadata: PoolDescriptor['metadata']
  /** Whether it has answered a health check in this registration. */
  readonly answersHealth: boolean
}

export type Finding =
  | { kind: 'answered'; status: HealthStatus; responseMs: number }
  /** It answers no checks and never did, but somebody takes its work. */
  | { kind: 'present' }
  /** `absent`: certainly nobody is there. `error` is one of few texts, without names or addresses. */
  | { kind: 'failed'; reason: FailureReason; error: string; absent: boolean }
  /** We could not ask: it says nothing of the pool. */
  | { kind: 'inconclusive'; error: string }

export interface HealthProbe {
  /** Takes about `timeoutMs` at most. Never rejects for what the pool does. */
  check(target: ProbeTarget, timeoutMs: number): Promise<Finding>
}

export type Probes = Record<PoolType, HealthProbe>
