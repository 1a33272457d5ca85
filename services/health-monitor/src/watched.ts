// A pool as the monitor keeps it.
import type { StoredPool } from '@poolmesh/bus'
import {
  type BreakerPolicy,
  CheckHistory,
  CircuitBreaker,
  type ErrorTexts,
  newlyScheduled,
  type Scheduled,
  worseOf,
} from '@poolmesh/core'
import type { HealthStatus, PoolHealth, PoolType } from '@poolmesh/types'
import type { Finding } from './probe.ts'

export interface Watched extends Scheduled {
  readonly name: string
  type: PoolType
  endpoint: string | null
  metadata: StoredPool['metadata']
  registered_at: string
  /** What the registration says. */
  health_status: HealthStatus
  /** Of the registration's entry; only grows. */
  revision: number
  answersHealth: boolean
  readonly breaker: CircuitBreaker
  readonly history: CheckHistory
  /** The check that is under way. */
  checking: Promise<PoolHealth> | null
}

export function watch(pool: StoredPool, revision: number, policy: BreakerPolicy, texts: ErrorTexts): Watched {
  return {
    ...newlyScheduled(),
    ...registrationOf(pool, revision),
    name: pool.name,
    breaker: new CircuitBreaker(policy, pool.health_status),
    history: new CheckHistory(texts),
    checking: null,
  }
}

export const registrationOf = (pool: StoredPool, revision: number) => ({
  type: pool.pool_type,
  endpoint: pool.endpoint ?? null,
  metadata: pool.metadata,
  registered_at: pool.registered_at,
  health_status: pool.health_status,
  answersHealth: false,
  revision,
})

/** Tells the breaker. @returns whether the pool was found healthy */
export function judge(pool: Watched, finding: Finding, heartbeatLate: boolean, now: number): boolean {
  switch (finding.kind) {
    case 'answered':
      pool.answersHealth = true
      pool.breaker.answered(finding.status, now)
      return finding.status === 'healthy'
    case 'present':
      pool.breaker.present(now)
      return true
    case 'failed':
      // No heartbeat and nobody there: two witnesses, so nothing is left to count.
      if (finding.reason === 'gone' && heartbeatLate) pool.breaker.lost('gone', now)
      else pool.breaker.checkFailed(finding.reason, now)
      return false
    case 'inconclusive':
      return pool.unhealthyChecks === 0
  }
}

/**
 * What a check is reported as: the pool's own word, or for one that takes work without a word what the breaker has. A failed check is
 * `unavailable` where nobody is there, else at least `degraded`.
 */
export function reportOf(pool: Watched, finding: Finding, at: number): PoolHealth {
  const { status } = pool.breaker
  const report = { response_time: null, last_check: new Date(at).toISOString(), error: null }
  switch (finding.kind) {
    case 'answered':
      return { ...report, status: finding.status, response_time: Math.round(finding.responseMs * 10) / 10 }
    case 'present':
      return { ...report, status }
    case 'failed':
      return {
        ...report,
        status: finding.absent ? 'unavailable' : worseOf(status, 'degraded'),
        error: finding.error,
      }
    case 'inconclusive':
      return { ...report, status, error: finding.error }
  }
}
