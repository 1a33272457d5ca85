// A collector of OTLP over HTTP with JSON, as anyone may run one.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface CollectedSpan {
  service: string
  /** `service.instance.id`: the process. */
  instance: string
  name: string
  kind: number
  traceId: string
  spanId: string
  parentSpanId: string | undefined
  traceState: string | undefined
  /** Ids of the spans that it is linked to. */
  links: string[]
  failed: boolean
  /** As texts; of a list, as JSON. */
  attributes: Record<string, string>
}

type Attributes = { key: string; value: Record<string, unknown> }[]
interface Sent {
  resourceSpans: {
    resource: { attributes: Attributes }
    scopeSpans: {
      spans: (Omit<CollectedSpan, 'attributes' | 'links'> & {
        links?: { spanId: string }[]
        status?: { code?: number }
        attributes: Attributes
      })[]
    }[]
  }[]
}

const plain = (attributes: Attributes): Record<string, string> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, textOf(Object.values(value)[0])]))

function textOf(value: unknown): string {
  const { values } = (value ?? {}) as { values?: Record<string, unknown>[] }
  return values ? JSON.stringify(values.map((one) => Object.values(one)[0])) : String(value)
}

export class Collector implements AsyncDisposable {
  readonly spans: CollectedSpan[] = []
  readonly #server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    for (const { resource, scopeSpans } of (JSON.parse(text) as Sent).resourceSpans)
      for (const span of scopeSpans.flatMap(({ spans }) => spans))
        this.spans.push({
          service: plain(resource.attributes)['service.name'] ?? '',
          instance: plain(resource.attributes)['service.instance.id'] ?? '',
          name: span.name,
          kind: span.kind,
          traceId: span.traceId,
          spanId: span.spanId,
          parentSpanId: span.parentSpanId,
          traceState: span.traceState,
          links: (span.links ?? []).map(({ spanId }) => spanId),
          failed: span.status?.code === 2,
          attributes: plain(span.attributes),
        })
    response.setHeader('content-type', 'application/json').end('{}')
  })

  async start(port = 0): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  named(name: string, of: Record<string, string> = {}): CollectedSpan[] {
    return this.spans.filter(
      (span) =>
        span.name === name && Object.entries(of).every(([key, value]) => span.attributes[key] === value),
    )
  }

  /** The spans that are under it at once. */
  under(parent: CollectedSpan, name: string): CollectedSpan[] {
    return this.spans.filter((span) => span.parentSpanId === parent.spanId && span.name === name)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
