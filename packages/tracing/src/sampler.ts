import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace'
import { invalidSetting } from './invalid-setting.ts'

/** `OTEL_TRACES_SAMPLER` and its `_ARG`; by default a trace that nobody has decided about is taken. */
export function samplerOf(env: NodeJS.ProcessEnv): Sampler {
  const name = env['OTEL_TRACES_SAMPLER']?.trim() || 'parentbased_always_on'
  const root = rootOf(name.replace(/^parentbased_/, ''), env['OTEL_TRACES_SAMPLER_ARG']?.trim() || '1')
  if (!root)
    throw invalidSetting('OTEL_TRACES_SAMPLER', name, '[parentbased_]always_on, always_off or traceidratio')
  return name.startsWith('parentbased_') ? new ParentBasedSampler({ root }) : root
}

function rootOf(name: string, ratio: string): Sampler | null {
  if (name === 'always_on') return new AlwaysOnSampler()
  if (name === 'always_off') return new AlwaysOffSampler()
  if (name !== 'traceidratio') return null
  if (!(Number(ratio) >= 0 && Number(ratio) <= 1))
    throw invalidSetting('OTEL_TRACES_SAMPLER_ARG', ratio, 'a number from 0 to 1')
  return new TraceIdRatioBasedSampler(Number(ratio))
}
