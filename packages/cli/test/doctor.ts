// `poolmesh doctor`, and what it said.
import { expect } from 'vitest'
import { type CommandOptions, jsonOf, type Outcome, start } from './system.ts'

export const doctor = (url: string, more: string[] = [], options: CommandOptions = {}): Promise<Outcome> =>
  start(['doctor', '--server', url, ...more], options).ended

/** Each check with its outcome; of those that are not well, what was found and what to do. */
export async function examined(url: string, options?: CommandOptions) {
  const outcome = await doctor(url, ['--json'], options)
  expect(outcome.stderr).toBe('')
  const { findings } = jsonOf(outcome) as {
    findings: { check: string; outcome: string; found: string; advice: string | null }[]
  }
  for (const { outcome, advice } of findings) expect(advice === null).toBe(outcome === 'ok')
  return {
    code: outcome.code,
    checks: Object.fromEntries(findings.map(({ check, outcome }) => [check, outcome])),
    ill: Object.fromEntries(
      findings
        .filter(({ outcome }) => outcome !== 'ok')
        .map(({ check, found, advice }) => [check, `${found} / ${advice}`]),
    ),
  }
}

/** Every check of a system that is well. */
export const WELL = {
  server: 'ok',
  'server version': 'ok',
  clocks: 'ok',
  permissions: 'ok',
  jetstream: 'ok',
  limits: 'ok',
  streams: 'ok',
  copies: 'ok',
  'pending tasks': 'ok',
  consumers: 'ok',
  lanes: 'ok',
  registry: 'ok',
  executor: 'ok',
  distributor: 'ok',
  'health-monitor': 'ok',
}
