// The circuit breaker of one pool. The names are Nygard's ("Release It!"): closed is `healthy`, open is `unavailable`;
// `degraded` lies between, where a pool gets work only if no healthy one fits. An open breaker takes no work, so the
// next health check is its half-open trial: one success closes it.
//
// Invariants:
// 1. Failures in a row only make it worse, and a success never does.
// 2. While its heartbeats are overdue a pool is unavailable, whatever it answers.
// 3. While it is held down for flapping, it is degraded or unavailable, and the reason is `flapping`.
// 4. Mere presence lifts only what failed checks and runs have caused, not what the pool said of itself.
import type { HealthStatus } from '@poolmesh/types'
import { FlapDamper, type FlappingPolicy } from './flapping.ts'

export interface BreakerPolicy {
  /** Failures in a row after which the pool is degraded. */
  degradedAfter: number
  unavailableAfter: number
  flapping: FlappingPolicy
}

/** Why a check or a run counts against a pool. */
export type FailureReason =
  | 'no_answer'
  | 'timed_out'
  | 'invalid_answer'
  | 'http_status'
  | 'unreachable'
  | 'gone'
  | 'invalid_result'
  | 'run_timeout'

/** Why a pool has the status that it has. */
export type HealthReason =
  | FailureReason
  | 'declared'
  | 'reported'
  | 'heartbeats_missed'
  | 'check_passed'
  | 're-registered'
  | 'flapping'
  | 'stable'

const RANK: Record<HealthStatus, number> = { healthy: 0, degraded: 1, unavailable: 2 }

export const worseOf = (a: HealthStatus, b: HealthStatus): HealthStatus => (RANK[a] >= RANK[b] ? a : b)

/** `now` is in ms on a clock that never goes back. What changed is read from `status` and `reason`. */
export class CircuitBreaker {
  readonly #policy: BreakerPolicy
  #status: HealthStatus
  #reason: string = 'declared'
  /** What the pool last said of itself, on registering or in an answer: only another answer makes it better. */
  #ownWord: HealthStatus
  #silent = false
  #failedChecks = 0
  #failedRuns = 0
  /** Made with the first change: most pools never have one. */
  #damper: FlapDamper | null = null

  /** @param declared what the pool's registration says of its health */
  constructor(policy: BreakerPolicy, declared: HealthStatus) {
    this.#policy = policy
    this.#status = declared
    this.#ownWord = declared
  }

  get status(): HealthStatus {
    return this.#status
  }

  get reason(): string {
    return this.#reason
  }

  get flapping(): boolean {
    return this.#damper?.holding ?? false
  }

  /** The pool answered a check with a valid status. */
  answered(status: HealthStatus, now: number): void {
    this.#ownWord = status
    this.#passed('reported', now)
  }

  /** The pool answers no checks, but takes work. */
  present(now: number): void {
    this.#passed('declared', now)
  }

  checkFailed(reason: FailureReason, now: number): void {
    this.#failedChecks++
    this.#fail(reason, now)
  }

  /** Runs on the pool failed through its own fault, one after the other. */
  runsFailed(reason: FailureReason, count: number, now: number): void {
    this.#failedRuns += count
    this.#fail(reason, now)
  }

  /** A run went well. It says nothing of the checks, and does not close an open breaker. */
  runSucceeded(): void {
    this.#failedRuns = 0
  }

  /** Certainly not there: no need to count. */
  lost(reason: 'gone' | 'heartbeats_missed', now: number): void {
    if (reason === 'heartbeats_missed') this.#silent = true
    this.#failedChecks = Math.max(this.#failedChecks, this.#policy.unavailableAfter)
    this.#fail(reason, now)
  }

  /** A heartbeat came. The status stays until the next check. */
  beat(): void {
    this.#silent = false
  }

  /** Another monitor's verdict stands instead of ours. */
  adopt(verdict: { status: HealthStatus; reason: string }, now: number): void {
    const { status, reason } = verdict
    if (status !== this.#status) this.#damping().remember(now)
    if (reason === 'flapping' && status !== 'healthy') this.#damping().hold(now)
    else this.#damper?.release(now)
    if (reason === 'reported' || status === 'healthy') this.#ownWord = status
    if (status === 'healthy') this.#failedChecks = this.#failedRuns = 0
    this.#silent = reason === 'heartbeats_missed'
    this.#status = status
    this.#reason = reason
  }

  /** The pool registered again: a new start, though what it did before still counts as flapping. */
  registeredAgain(declared: HealthStatus, now: number): void {
    this.#failedChecks = this.#failedRuns = 0
    this.#silent = false
    this.#ownWord = declared
    if (this.flapping) {
      this.#damper?.failed()
      this.#status = worseOf('degraded', declared)
    } else if (declared === this.#status) this.#reason = 'declared'
    else this.#to(declared, 're-registered', now)
  }

  #passed(reason: 'reported' | 'declared', now: number): void {
    this.#failedChecks = 0
    if (this.#silent) return
    if (this.#status !== 'healthy') this.#failedRuns = 0
    if (this.#ownWord === 'healthy') {
      this.#succeed(now)
      return
    }
    this.#damper?.failed()
    this.#to(this.#ownWord, reason, now)
  }

  #succeed(now: number): void {
    if (this.#status === 'healthy') return
    if (!this.#damper?.holding) {
      this.#to('healthy', 'check_passed', now)
      return
    }
    // Invariant 3: a held pool may take work that no other pool takes, but it is not healthy yet.
    this.#status = 'degraded'
    if (!this.#damper.succeeded(now)) return
    this.#status = 'healthy'
    this.#reason = 'stable'
  }

  #fail(reason: HealthReason, now: number): void {
    this.#damper?.failed()
    const failures = Math.max(this.#failedChecks, this.#failedRuns)
    const { degradedAfter, unavailableAfter } = this.#policy
    if (failures >= unavailableAfter) this.#to('unavailable', reason, now)
    else if (failures >= degradedAfter) this.#to(worseOf(this.#status, 'degraded'), reason, now)
  }

  #to(status: HealthStatus, reason: HealthReason, now: number): void {
    if (status === this.#status) return
    const damper = this.#damping()
    const held = damper.holding || damper.changed(now)
    this.#status = held ? worseOf(status, 'degraded') : status
    this.#reason = held ? 'flapping' : reason
    if (held && status === 'healthy') damper.succeeded(now)
  }

  #damping(): FlapDamper {
    this.#damper ??= new FlapDamper(this.#policy.flapping)
    return this.#damper
  }
}
