// Pools behind HTTP: a GET beside the endpoint. Adapters that know more of a kind of pool replace it by their own probe.
import { type HeadersByUrl, headersFor } from '@poolmesh/adapters'
import { HealthStatus } from '@poolmesh/types'
import type { Finding, HealthProbe, ProbeTarget } from './probe.ts'

/** A health answer is small; what is longer is not read. */
const MAX_BODY_BYTES = 64 * 1024

/** `<endpoint>/health`, where an endpoint `…/mcp` is the MCP door of the server at `…`. */
function probeUrl(endpoint: string, path: string): string {
  const url = new URL(endpoint)
  url.pathname = url.pathname.replace(/\/+$/, '').replace(/\/mcp$/, '') + path
  url.search = ''
  url.hash = ''
  url.username = ''
  url.password = ''
  return url.href
}

export class HttpProbe implements HealthProbe {
  readonly #path: string
  readonly #closing: AbortSignal

  readonly #headers: HeadersByUrl

  /** @param path added to the endpoint @param closing ends all requests @param headers for pools that want some */
  constructor(path: string, closing: AbortSignal, headers: HeadersByUrl = {}) {
    this.#headers = headers
    this.#path = path
    this.#closing = closing
  }

  async check({ endpoint }: ProbeTarget, timeoutMs: number): Promise<Finding> {
    const startedAt = performance.now()
    const timeout = AbortSignal.timeout(timeoutMs)
    try {
      const url = probeUrl(endpoint ?? '', this.#path)
      const headers = headersFor(endpoint ?? '', this.#headers)
      const response = await fetch(url, {
        signal: AbortSignal.any([timeout, this.#closing]),
        headers: { accept: 'application/json', ...headers },
        // A secret is for that address only.
        redirect: Object.keys(headers).length > 0 ? 'manual' : 'follow',
      })
      const body = await readBody(response)
      if (!response.ok)
        return {
          kind: 'failed',
          reason: 'http_status',
          error: `HTTP status ${response.status}`,
          absent: false,
        }
      return { kind: 'answered', status: statusIn(body), responseMs: performance.now() - startedAt }
    } catch (error) {
      if (this.#closing.aborted) return { kind: 'inconclusive', error: 'the monitor stops' }
      if (timeout.aborted)
        return {
          kind: 'failed',
          reason: 'timed_out',
          error: `no answer within ${timeoutMs / 1000} s`,
          absent: false,
        }
      return unreachable(error as Error & { cause?: { code?: string; message?: string } })
    }
  }
}

function unreachable(error: Error & { cause?: { code?: string; message?: string } }): Finding {
  const code = error.cause?.code
  return {
    kind: 'failed',
    reason: 'unreachable',
    error: `the endpoint cannot be reached (${code ?? error.cause?.message ?? error.name})`,
    absent: code === 'ECONNREFUSED',
  }
}

async function readBody(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  // Leaving the loop early cancels what is still to come.
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > MAX_BODY_BYTES) return ''
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/** The server's own word where it uses ours; answering at all counts as healthy. */
function statusIn(body: string): HealthStatus {
  try {
    const status: unknown = JSON.parse(body)?.status
    return Object.values(HealthStatus).find((known) => known === status) ?? 'healthy'
  } catch {
    return 'healthy'
  }
}
