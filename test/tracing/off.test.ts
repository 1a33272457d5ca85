import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'

/** Imports all that a service and a pool import, and prints which modules of OpenTelemetry were loaded. */
const program = (body: string): string => `
import { registerHooks } from 'node:module'
const loaded = []
registerHooks({ load: (url, context, next) => { if (url.includes('opentelemetry/')) loaded.push(url); return next(url, context) } })
const { startTracing } = await import('@poolmesh/tracing')
await import('@poolmesh/executor')
await import('@poolmesh/worker')
await import('@poolmesh/client')
${body}
console.log(loaded.length)
process.exit()
`
function loaded(env: Record<string, string>): number {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', program("await startTracing('a-service', {})")],
    { cwd: 'services/up', env: { PATH: process.env['PATH'], ...env }, encoding: 'utf8' },
  )
  expect(stderr).toBe('')
  return Number(stdout)
}

test('nothing of OpenTelemetry is loaded where traces are off', () => {
  expect(loaded({})).toBe(0)
  expect(loaded({ OTEL_TRACES_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' })).toBe(
    0,
  )
  expect(loaded({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' })).toBeGreaterThan(10)
})
