// What is to be stored and told of a pool's health, given what is stored already.
import type { HealthStatus } from '@poolmesh/types'

export interface Verdict {
  status: HealthStatus
  reason: string
}

/** A verdict holds for one registration; a later one starts anew. */
export interface StoredVerdict extends Verdict {
  registered_at: string
}

export interface Registration {
  registered_at: string
  /** What the descriptor says of the pool's health. */
  health_status: HealthStatus
}

export interface VerdictChange extends Verdict {
  /** null: listeners know already, or the pool is known to be flapping and no more is told until it is steady. */
  event: 'unhealthy' | 'recovered' | null
  previous_status: HealthStatus
}

const isFlapping = (verdict: Verdict): boolean => verdict.reason === 'flapping'
const isSame = (a: Verdict, b: Verdict): boolean => a.status === b.status && isFlapping(a) === isFlapping(b)

/**
 * Compares the verdict that a breaker has come to with the stored one. An event is `recovered` when the pool is healthy
 * with it, else `unhealthy`: one event a change, also where it only got better from unavailable to degraded.
 * @returns null when there is nothing to store
 */
export function verdictChange(
  stored: StoredVerdict | null,
  registration: Registration,
  verdict: Verdict,
): VerdictChange | null {
  const holds = stored !== null && stored.registered_at === registration.registered_at
  const effective = holds ? stored : { status: registration.health_status, reason: 'declared' }
  // Listeners were told that an earlier registration was unhealthy, and not yet that it is no more.
  const told = stored !== null && (holds || stored.status !== 'healthy') ? stored : effective
  if (isSame(effective, verdict) && told.status === verdict.status) return null
  const known = isSame(told, verdict) || (isFlapping(told) && isFlapping(verdict))
  const takenBack =
    told !== effective && !isFlapping(verdict) && verdict.status === registration.health_status
  return {
    status: verdict.status,
    reason: takenBack ? 're-registered' : verdict.reason,
    event: known ? null : verdict.status === 'healthy' ? 'recovered' : 'unhealthy',
    previous_status: told.status,
  }
}
