// OpenTelemetry's SDK, as the usual variables say. Loaded only where traces are on.
import { randomUUID } from 'node:crypto'
import {
  type Attributes,
  type Context,
  context,
  createTraceState,
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
import { ExportWatch, type TracingLog } from './export-watch.ts'
import { invalidSetting } from './invalid-setting.ts'
import { samplerOf } from './sampler.ts'

/** Spans that are left when the process ends are sent within this, or not at all: it has ten seconds for everything. */
const LAST_MS = 2_000

/** What a span is to be called by others before it begins. Hexadecimal: 32 and 16 digits. */
export interface SpanIds {
  /** Of one that begins a trace. */
  traceId?: string
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
  /** Left out: new ones. */
  ids?: SpanIds
  kind: keyof typeof KINDS
  /** Milliseconds since the epoch; left out: now. */
  startTime?: number
  /** The span that it belongs to; null: it begins a trace. */
  parent: Context | null
  attributes?: Attributes
}

const KINDS = {
  internal: SpanKind.INTERNAL,
  client: SpanKind.CLIENT,
  server: SpanKind.SERVER,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
} as const

export class Tracing {
  readonly #ids: Ids
  readonly #provider: TracerProvider
  /** Spans that a collector took, and that it never got. */
  readonly exported: Readonly<ExportWatch['counts']>

  constructor(ids: Ids, provider: TracerProvider, exported: Readonly<ExportWatch['counts']>) {
    this.#ids = ids
    this.#provider = provider
    this.exported = exported
  }

  start(name: string, { ids, kind, startTime, parent, attributes }: SpanOptions): Span {
    this.#ids.next = ids ?? null
    try {
      return this.#provider.getTracer('poolmesh').startSpan(
        name,
        {
          kind: KINDS[kind],
          ...(startTime === undefined ? {} : { startTime }),
          ...(attributes ? { attributes } : {}),
        },
        parent ?? ROOT_CONTEXT,
      )
    } finally {
      this.#ids.next = null
    }
  }

  /** The span that W3C's Trace Context names, in a task's metadata or in headers; null where it names none. */
  parentOf({ traceparent, tracestate }: { [name: string]: unknown }): Context | null {
    const named = typeof traceparent === 'string' ? parseTraceParent(traceparent) : null
    if (!named) return null
    const state = typeof tracestate === 'string' ? { traceState: createTraceState(tracestate) } : {}
    return trace.setSpanContext(ROOT_CONTEXT, { ...named, ...state, isRemote: true })
  }

  within(span: Span): Context {
    return trace.setSpan(ROOT_CONTEXT, span)
  }

  /** Does the work with the span as the active one. */
  run<T>(span: Span, work: () => T): T {
    return context.with(this.within(span), work)
  }

  /** As others are told of it. */
  traceparentOf(span: Span): string {
    const { traceId, spanId, traceFlags } = span.spanContext()
    return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`
  }

  failed(span: Span, message?: string): void {
    span.setStatus({ code: SpanStatusCode.ERROR, ...(message === undefined ? {} : { message }) })
  }

  async close(): Promise<void> {
    trace.disable()
    context.disable()
    propagation.disable()
    // A collector that is away must not hold up the end, nor make it one with an error.
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LAST_MS)
    })
    await Promise.race([this.#provider.shutdown().catch(() => {}), late])
    clearTimeout(timer)
  }
}

export async function openTracing(
  service: string,
  log: TracingLog,
  env: NodeJS.ProcessEnv,
): Promise<Tracing> {
  const ids = new Ids()
  const watch = new ExportWatch(log)
  const resource = defaultResource()
    .merge(
      resourceFromAttributes({
        'service.name': service,
        'service.namespace': 'poolmesh',
        // Several executors are one service.
        'service.instance.id': randomUUID(),
      }),
    )
    .merge(detectResources({ detectors: [envDetector] }))
  const named = env['OTEL_SERVICE_NAME']?.trim()
  const provider = new TracerProvider({
    resource: named ? resource.merge(resourceFromAttributes({ 'service.name': named })) : resource,
    sampler: samplerOf(env),
    idGenerator: ids,
    spanProcessors: await processorsOf(env, watch),
  })
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  trace.setGlobalTracerProvider(provider)
  return new Tracing(ids, provider, watch.counts)
}

async function processorsOf(env: NodeJS.ProcessEnv, watch: ExportWatch): Promise<SpanProcessor[]> {
  const names = (env['OTEL_TRACES_EXPORTER']?.trim() || 'otlp').split(',').map((name) => name.trim())
  return await Promise.all(
    names.map(async (name) => {
      if (name === 'console') return new SimpleSpanProcessor({ exporter: new ConsoleSpanExporter() })
      if (name !== 'otlp') throw invalidSetting('OTEL_TRACES_EXPORTER', name, 'otlp, console or none')
      return new BatchSpanProcessor({
        exporter: watch.exporter(await otlpExporter(env), targetOf(env)),
        selfObsMeterProvider: watch.meters,
        ...batching(env),
      })
    }),
  )
}

/** Where spans go, for people: without what may be a password in it. */
function targetOf(env: NodeJS.ProcessEnv): string {
  const traces = env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']?.trim()
  const base = (env['OTEL_EXPORTER_OTLP_ENDPOINT']?.trim() || 'http://localhost:4318').replace(/\/$/, '')
  const target = traces || `${base}/v1/traces`
  if (!URL.canParse(target)) return target
  const { origin, pathname } = new URL(target)
  return origin + pathname
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
