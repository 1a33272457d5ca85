// The trace that is active in this process, where its program has set OpenTelemetry up. Read from where every copy of
// @opentelemetry/api 1.x keeps what was registered (that is how they find each other), so that nothing has to be installed
// or loaded by those who have no traces.

interface Context {
  getValue(key: symbol): unknown
  setValue(key: symbol, value: unknown): Context
}

interface Span {
  spanContext(): object
  end(): void
  setStatus(status: { code: number; message?: string }): unknown
  setAttribute(key: string, value: string): unknown
  recordException(error: unknown): void
}

interface Registered {
  trace?: { getTracer(name: string): { startSpan(name: string, options: object, parent: Context): Span } }
  context?: { active(): Context; with<T>(context: Context, work: () => T): T }
  propagation?: {
    inject(
      context: Context,
      carrier: Carrier,
      setter: { set(c: Carrier, key: string, value: string): void },
    ): void
    extract(
      context: Context,
      carrier: Carrier,
      getter: { keys(c: Carrier): string[]; get(c: Carrier, key: string): string | undefined },
    ): Context
  }
}

type Carrier = Record<string, string>

const API = Symbol.for('opentelemetry.js.api.1')
const SPAN = Symbol.for('OpenTelemetry Context Key SPAN')
const SERVER = 1
const FAILED = 2
const setter = {
  set: (carrier: Carrier, key: string, value: string) => {
    carrier[key] = value
  },
}
const getter = {
  keys: (carrier: Carrier) => Object.keys(carrier),
  get: (carrier: Carrier, key: string) => carrier[key],
}

const registered = (): Registered | undefined => (globalThis as { [API]?: Registered })[API]

/** W3C's Trace Context: what a task's metadata has of the trace that it belongs to. */
export interface TraceContext {
  traceparent: string
  /** What the tracing systems on the way have to say to each other. */
  tracestate?: string
}

/** Of what goes on here; undefined where nothing is traced. */
export function activeTrace(): TraceContext | undefined {
  const api = registered()
  if (!api?.context || !api.propagation) return undefined
  const carrier: Carrier = {}
  api.propagation.inject(api.context.active(), carrier, setter)
  const { traceparent, tracestate } = carrier
  if (traceparent === undefined) return undefined
  return tracestate ? { traceparent, tracestate } : { traceparent }
}

/** Whether work is to go through {@link withSpan}. */
export const isTraced = (): boolean =>
  registered()?.trace !== undefined && registered()?.context !== undefined

/**
 * Does the work within a span of its own; where it gives a promise, the span ends with that.
 * @param of what it belongs to, as a task's metadata or MCP's `_meta` has it, with a link to what is active here; without it,
 *   to what is active here
 * @param failure of a value that is a failure although nothing was thrown: its `error.type`
 */
export function withSpan<T>(
  name: string,
  of: { readonly [name: string]: unknown } | undefined,
  attributes: Record<string, string | number>,
  work: () => T,
  failure?: (value: Awaited<T>) => string | undefined,
): T {
  const { trace, context, propagation } = registered() ?? {}
  if (!trace || !context) return work()
  const here = context.active()
  const carrier: Carrier = {}
  for (const name of ['traceparent', 'tracestate']) {
    const value = of?.[name]
    if (typeof value === 'string') carrier[name] = value
  }
  const parent = propagation?.extract(here, carrier, getter) ?? here
  const ambient = here.getValue(SPAN) as Span | undefined
  const links = ambient && parent.getValue(SPAN) !== ambient ? [{ context: ambient.spanContext() }] : []
  const span = trace.getTracer('poolmesh').startSpan(name, { kind: SERVER, attributes, links }, parent)
  const failed = (error: unknown): void => {
    span.recordException(error)
    span.setStatus({ code: FAILED, message: String((error as Error)?.message ?? error) })
    span.end()
  }
  const done = (value: Awaited<T>): void => {
    const type = failure?.(value)
    if (type !== undefined) {
      span.setAttribute('error.type', type)
      span.setStatus({ code: FAILED })
    }
    span.end()
  }
  try {
    const value = context.with(parent.setValue(SPAN, span), work)
    if (value instanceof Promise) value.then(done, failed)
    else done(value as Awaited<T>)
    return value
  } catch (error) {
    failed(error)
    throw error
  }
}
