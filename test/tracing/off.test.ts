import { freePort } from '@poolmesh/bus'
import { run, startTestServer } from '@poolmesh/testkit'
import { expect, test } from 'vitest'

/**
 * Says on standard error which modules of OpenTelemetry, and which of ours that make spans, a process loads. Its bare API does not
 * count: the library for Prometheus has it, in a process that shows metrics.
 */
const TELLS = `
import { registerHooks } from 'node:module'
import { writeSync } from 'node:fs'
registerHooks({ load(url, context, next) {
  if (/@opentelemetry\\/(?!api\\/)|\\/tracing\\/src\\/(?!index)|\\/traces\\.ts$/.test(url)) writeSync(2, 'loaded ' + url + '\\n')
  return next(url, context)
} })
`
const SERVICES = ['executor', 'distributor', 'gateway']

/** How many of them each service has loaded once it is ready, and the demonstration pools. */
async function loaded(env: Record<string, string>): Promise<number[]> {
  await using server = await startTestServer()
  await using processes = new AsyncDisposableStack()
  const all = {
    ...env,
    NATS_URL: server.url,
    POOLMESH_HTTP_PORT: String(await freePort()),
    NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(TELLS)}`,
  }
  const running = [...SERVICES.map((name) => run('service.ts', [name], all)), run('demo.ts', [], all)].map(
    (one) => processes.use(one),
  )
  processes.use(run('service.ts', ['registry'], { NATS_URL: server.url }))
  await Promise.all(running.map((one) => one.line(/ready/)))
  return running.map(
    (one) =>
      one
        .stderr()
        .split('\n')
        .filter((line) => line.startsWith('loaded ')).length,
  )
}

test('nothing of OpenTelemetry is loaded where traces are off', async () => {
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' }
  expect(await loaded({})).toEqual([0, 0, 0, 0])
  expect(await loaded({ ...endpoint, OTEL_TRACES_EXPORTER: 'none' })).toEqual([0, 0, 0, 0])
  expect(await loaded({ ...endpoint, OTEL_SDK_DISABLED: 'true' })).toEqual([0, 0, 0, 0])
  for (const count of await loaded(endpoint)) expect(count).toBeGreaterThan(10)
})
