// Kubernetes pools: the API server with our credentials, and the quota. Without credentials what anybody may ask it.
import type { KubernetesHealth } from '@poolmesh/adapters'
import type { Finding, HealthProbe, ProbeTarget } from './probe.ts'

const REASONS = { unreachable: 'unreachable', timed_out: 'timed_out', refused: 'http_status' } as const

export class KubernetesProbe implements HealthProbe {
  readonly #health: KubernetesHealth
  readonly #anybody: HealthProbe
  readonly #closing: AbortSignal

  /** @param anybody asks what needs no credentials */
  constructor(health: KubernetesHealth, anybody: HealthProbe, closing: AbortSignal) {
    this.#health = health
    this.#anybody = anybody
    this.#closing = closing
  }

  async check(target: ProbeTarget, timeoutMs: number): Promise<Finding> {
    const startedAt = performance.now()
    const found = await this.#health.check(target, timeoutMs)
    if (found.kind === 'unknown') return await this.#anybody.check(target, timeoutMs)
    if (this.#closing.aborted) return { kind: 'inconclusive', error: 'the monitor stops' }
    if (found.kind === 'failed')
      return {
        kind: 'failed',
        reason: REASONS[found.how],
        error: found.problem,
        absent: found.absent,
      }
    return {
      kind: 'answered',
      status: found.full ? 'degraded' : 'healthy',
      responseMs: performance.now() - startedAt,
    }
  }
}
