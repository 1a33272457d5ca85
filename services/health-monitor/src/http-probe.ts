// Pools behind HTTP: a GET beside the endpoint, over the adapters' HTTP. Adapters that know more of a kind of pool replace it
// by their own probe.
import { type HeadersByUrl, targetOf } from '@poolmesh/adapters'
import { HealthStatus, isJsonObject } from '@poolmesh/types'
import { CheckConnections } from './check-connections.ts'
import type { Finding, HealthProbe, ProbeTarget } from './probe.ts'

export interface HttpProbeOptions {
  /** Added to the endpoint, where an endpoint `…/mcp` is the MCP door of the server at `…`. */
  path: string
  /** Ends all checks. */
  closing: AbortSignal
  /** For pools that want some. */
  headers?: HeadersByUrl
}

export class HttpProbe implements HealthProbe {
  readonly #connections = new CheckConnections()
  readonly #path: string
  readonly #closing: AbortSignal
  readonly #headers: HeadersByUrl

  constructor({ path, closing, headers = {} }: HttpProbeOptions) {
    this.#path = path
    this.#closing = closing
    this.#headers = headers
    closing.addEventListener('abort', () => void this.#connections.close(), { once: true })
  }

  async check({ endpoint }: ProbeTarget, timeoutMs: number): Promise<Finding> {
    const startedAt = performance.now()
    const { base, headers } = targetOf(endpoint ?? '', this.#headers)
    const said = await this.#connections.exchange(
      { base: base.replace(/\/mcp$/, ''), headers },
      { method: 'GET', path: this.#path, timeoutMs, anyType: true },
    )
    if (this.#closing.aborted) return { kind: 'inconclusive', error: 'the monitor stops' }
    switch (said.kind) {
      case 'response':
      case 'too_large': {
        if (said.status < 200 || said.status >= 300)
          return failed('http_status', `HTTP status ${said.status}`)
        const status = statusIn(said.kind === 'response' ? said.body : null)
        return { kind: 'answered', status, responseMs: performance.now() - startedAt }
      }
      case 'timed_out':
        return failed('timed_out', `no answer within ${timeoutMs / 1000} s`)
      case 'unreachable':
      case 'broken':
        return failed(
          'unreachable',
          `the endpoint cannot be reached (${said.code})`,
          said.code === 'ECONNREFUSED',
        )
      case 'aborted':
        return { kind: 'inconclusive', error: 'the check was ended' }
    }
  }
}

const failed = (
  reason: Extract<Finding, { kind: 'failed' }>['reason'],
  error: string,
  absent = false,
): Finding => ({ kind: 'failed', reason, error, absent })

/** The server's own word where it uses ours; answering at all counts as healthy. */
const statusIn = (body: unknown): HealthStatus =>
  Object.values(HealthStatus).find((known) => isJsonObject(body) && known === body['status']) ?? 'healthy'
