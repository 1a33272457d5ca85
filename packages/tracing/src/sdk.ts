// OpenTelemetry's SDK, as the usual variables say. Loaded only where traces are on.
import {
  type Attributes,
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { parseTraceParent, W3CTraceContextPropagator } from '@opentelemetry/core'
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources'
import {
  BatchSpanProcessor,
  ConsoleSpanExporter,
  type IdGenerator,
  RandomIdGenerator,
  SimpleSpanProcessor,
  type SpanExporter,
  type SpanProcessor,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { invalidSetting } from './invalid-setting.ts'
import { samplerOf } from './sampler.ts'

/** What a span is to be called by others before it begins. Hexadecimal: 32 and 16 digits. */
export interface SpanIds {
  traceId: string
  spanId: string
}

const random = new RandomIdGenerator()

/** Gives the ids that the next span is to have, where it is to have certain ones. */
class Ids implements IdGenerator {
  next: SpanIds | null = null
  generateTraceId = (): string => this.next?.traceId ?? random.generateTraceId()
  generateSpanId = (): string => this.next?.spanId ?? random.generateSpanId()
}

export interface SpanOptions {
  ids: SpanIds
  kind: 'internal' | 'client' | 'consumer'
  /** Milliseconds since the epoch. */
  startTime: number
  /** The span that it belongs to; null: it begins a trace. */
  parent: Context | null
  attributes?: Attributes
}

const KINDS = { internal: SpanKind.INTERNAL, client: SpanKind.CLIENT, consumer: SpanKind.CONSUMER }

export class Tracing {
  readonly #ids: Ids
  readonly #provider: TracerProvider

  constructor(ids: Ids, provider: TracerProvider) {
    this.#ids = ids
    this.#provider = provider
  }

  start(name: string, { ids, kind, startTime, parent, attributes }: SpanOptions): Span {
    this.#ids.next = ids
    try {
      return this.#provider
        .getTracer('poolmesh')
        .startSpan(
          name,
          { kind: KINDS[kind], startTime, ...(attributes ? { attributes } : {}) },
          parent ?? ROOT_CONTEXT,
        )
    } finally {
      this.#ids.next = null
    }
  }

  /** The span that a `traceparent` names; null where it names none. */
  parentOf(traceparent: unknown): Context | null {
    const named = typeof traceparent === 'string' ? parseTraceParent(traceparent) : null
    return named && trace.setSpanContext(ROOT_CONTEXT, { ...named, isRemote: true })
  }

  within(span: Span): Context {
    return trace.setSpan(ROOT_CONTEXT, span)
  }

  /** As others are told of it. */
  traceparentOf(span: Span): string {
    const { traceId, spanId, traceFlags } = span.spanContext()
    return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`
  }

  failed(span: Span, message: string): void {
    span.setStatus({ code: SpanStatusCode.ERROR, message })
  }

  async close(): Promise<void> {
    trace.disable()
    context.disable()
    propagation.disable()
    // A collector that is away must not hold up the end, nor make it one with an error.
    await this.#provider.shutdown().catch(() => {})
  }
}

export async function openTracing(service: string, env: NodeJS.ProcessEnv): Promise<Tracing> {
  const ids = new Ids()
  const resource = defaultResource()
    .merge(resourceFromAttributes({ 'service.name': service, 'service.namespace': 'poolmesh' }))
    .merge(detectResources({ detectors: [envDetector] }))
  const named = env['OTEL_SERVICE_NAME']?.trim()
  const provider = new TracerProvider({
    resource: named ? resource.merge(resourceFromAttributes({ 'service.name': named })) : resource,
    sampler: samplerOf(env),
    idGenerator: ids,
    spanProcessors: await processorsOf(env),
  })
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  trace.setGlobalTracerProvider(provider)
  return new Tracing(ids, provider)
}

async function processorsOf(env: NodeJS.ProcessEnv): Promise<SpanProcessor[]> {
  const names = (env['OTEL_TRACES_EXPORTER']?.trim() || 'otlp').split(',').map((name) => name.trim())
  return await Promise.all(
    names.map(async (name) => {
      if (name === 'console') return new SimpleSpanProcessor({ exporter: new ConsoleSpanExporter() })
      if (name !== 'otlp') throw invalidSetting('OTEL_TRACES_EXPORTER', name, 'otlp, console or none')
      return new BatchSpanProcessor({ exporter: await otlpExporter(env), ...batching(env) })
    }),
  )
}

/** They read the other variables of OTEL_EXPORTER_OTLP_* themselves. */
async function otlpExporter(env: NodeJS.ProcessEnv): Promise<SpanExporter> {
  const protocol =
    env['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL'] || env['OTEL_EXPORTER_OTLP_PROTOCOL'] || 'http/protobuf'
  if (protocol === 'http/json')
    return new (await import('@opentelemetry/exporter-trace-otlp-http')).OTLPTraceExporter()
  if (protocol === 'http/protobuf')
    return new (await import('@opentelemetry/exporter-trace-otlp-proto')).OTLPTraceExporter()
  throw invalidSetting('OTEL_EXPORTER_OTLP_PROTOCOL', protocol, 'http/protobuf or http/json')
}

function batching(env: NodeJS.ProcessEnv): object {
  const options: Record<string, number> = {}
  for (const [variable, option] of [
    ['OTEL_BSP_SCHEDULE_DELAY', 'scheduledDelayMillis'],
    ['OTEL_BSP_EXPORT_TIMEOUT', 'exportTimeoutMillis'],
    ['OTEL_BSP_MAX_QUEUE_SIZE', 'maxQueueSize'],
    ['OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 'maxExportBatchSize'],
  ] as const) {
    const text = env[variable]?.trim()
    if (!text) continue
    if (!/^[1-9]\d{0,8}$/.test(text)) throw invalidSetting(variable, text, 'a whole number from 1')
    options[option] = Number(text)
  }
  return options
}
