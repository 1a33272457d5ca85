// Traces of a poolmesh process. Nothing of OpenTelemetry is loaded before they are switched on.
import type { TracingLog } from './export-watch.ts'
import type { Tracing } from './sdk.ts'

export type { SpanIds, Tracing } from './sdk.ts'

let active: Tracing | null = null

/** Of this process; null where traces are off. */
export const activeTracing = (): Tracing | null => active

/** On where the usual variables name an exporter or where spans go; `OTEL_SDK_DISABLED=true` wins. */
function isOn(env: NodeJS.ProcessEnv): boolean {
  if (env['OTEL_SDK_DISABLED']?.trim().toLowerCase() === 'true') return false
  const exporter = env['OTEL_TRACES_EXPORTER']?.trim()
  if (exporter) return exporter !== 'none'
  return Boolean(env['OTEL_EXPORTER_OTLP_ENDPOINT'] || env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'])
}

/**
 * Starts traces where the environment asks for them. Disposing sends what is left.
 * @param service the name where `OTEL_SERVICE_NAME` is not set
 * @param log told when spans are lost, once an outage
 * @throws PoolmeshError INVALID_SETTING for an exporter, protocol or sampler that there is not
 */
export async function startTracing(
  service: string,
  log: TracingLog,
  env: NodeJS.ProcessEnv = process.env,
): Promise<AsyncDisposable | null> {
  if (!isOn(env)) return null
  const { openTracing } = await import('./sdk.ts')
  const tracing = await openTracing(service, log, env)
  active = tracing
  return {
    async [Symbol.asyncDispose]() {
      active = null
      await tracing.close()
    },
  }
}
