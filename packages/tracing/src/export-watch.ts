// Tells in the log when spans are lost. An exporter that fails says nothing by itself, and tasks go on as if nothing was.
import { createNoopMeter, type Meter, type MeterProvider } from '@opentelemetry/api'
import { ExportResultCode, setGlobalErrorHandler } from '@opentelemetry/core'
import type { SpanExporter } from '@opentelemetry/sdk-trace'

/** Where the process logs. */
export interface TracingLog {
  warn(about: object, message: string): void
  info(about: object, message: string): void
}

/** As the SDK counts the spans that its processors are done with. */
const PROCESSED = 'otel.sdk.processor.span.processed'
const NO_ROOM = 'queue_full'
/** Of a queue that overflows while the collector takes what is sent, one line tells for so long. */
const OVERFLOW_TOLD_MS = 60_000

export class ExportWatch {
  /** Spans, since the process began. */
  readonly counts = { sent: 0, lost: 0 }
  readonly #log: TracingLog
  /** Since when nothing arrives (ms since the epoch); 0: it does. */
  #failingSince = 0
  /** Spans lost since the last line. */
  #lost = 0
  #overflowToldAt = Number.NEGATIVE_INFINITY

  constructor(log: TracingLog) {
    this.#log = log
    // Told here, once an outage.
    setGlobalErrorHandler(() => {})
  }

  /** The same exporter. */
  exporter(exporter: SpanExporter, target: string): SpanExporter {
    return {
      export: (spans, done) =>
        exporter.export(spans, (result) => {
          if (result.code === ExportResultCode.SUCCESS) this.#arrived(spans.length, target)
          else this.#failed(spans.length, target, result.error)
          done(result)
        }),
      forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
      shutdown: () => exporter.shutdown(),
    }
  }

  #failed(spans: number, target: string, error: Error | undefined): void {
    this.#lose(spans)
    if (this.#failingSince > 0) return
    this.#failingSince = Date.now()
    this.#log.warn(
      { reason: reasonOf(error), spans: this.#lost, target },
      `traces cannot be sent to ${target}: spans are dropped until they can be; nothing else is affected. ` +
        'Start a collector of OTLP over HTTP there, or set OTEL_EXPORTER_OTLP_ENDPOINT to where one is, or OTEL_SDK_DISABLED=true',
    )
    this.#lost = 0
  }

  #lose(spans: number): void {
    this.#lost += spans
    this.counts.lost += spans
  }

  #arrived(spans: number, target: string): void {
    this.counts.sent += spans
    if (this.#failingSince === 0) return
    const seconds = Math.round((Date.now() - this.#failingSince) / 1000)
    this.#failingSince = 0
    this.#log.info({ lost_spans: this.#lost, seconds, target }, 'traces can be sent again')
    this.#lost = 0
  }

  #overflowed(spans: number): void {
    this.#lose(spans)
    const now = Date.now()
    if (this.#failingSince > 0 || now - this.#overflowToldAt < OVERFLOW_TOLD_MS) return
    this.#overflowToldAt = now
    this.#log.warn(
      { spans: this.#lost },
      'more spans than the collector takes: some are dropped. Sample them ' +
        '(OTEL_TRACES_SAMPLER=parentbased_traceidratio, OTEL_TRACES_SAMPLER_ARG=0.1), or raise OTEL_BSP_MAX_QUEUE_SIZE',
    )
    this.#lost = 0
  }

  /** For the SDK's metrics of itself, of which one counts what did not fit into its queue. */
  get meters(): MeterProvider {
    const meter: Meter = createNoopMeter()
    const noCounter = meter.createCounter.bind(meter)
    meter.createCounter = (name, options) =>
      name === PROCESSED
        ? {
            add: (count, attributes) => {
              if (attributes?.['error.type'] === NO_ROOM) this.#overflowed(count)
            },
          }
        : noCounter(name, options)
    return { getMeter: () => meter }
  }
}

/** Of a request that failed on every address, the message is empty and the code says it. */
function reasonOf(error: Error | undefined): string {
  const { message, code } = (error ?? {}) as { message?: string; code?: unknown }
  return message || String(code ?? 'the collector refused them')
}
