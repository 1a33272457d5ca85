// Collectors that are away, refuse, never answer or are too slow: it is told once, and nothing else comes of it.
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { freePort } from '@poolmesh/bus'
import { createDistributedPoolSystem } from '@poolmesh/client'
import { type RunningProcess, run, startTestServer, until } from '@poolmesh/testkit'
import { expect, test } from 'vitest'
import { Collector } from './collector.ts'

interface Line {
  level: number
  msg: string
  spans?: number
  lost_spans?: number
  reason?: string
  target?: string
}
const WARN = 40
const linesOf = (process: RunningProcess): Line[] =>
  process
    .stdout()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line)
const aboutTraces = (process: RunningProcess): Line[] =>
  linesOf(process).filter(({ msg }) => /traces can|spans than/.test(msg))

/** A system whose executor has that collector. */
async function system(collector: string, more: Record<string, string> = {}) {
  const stack = new AsyncDisposableStack()
  const server = stack.use(await startTestServer())
  const env = { NATS_URL: server.url }
  const traced = {
    ...env,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_EXPORTER_OTLP_TIMEOUT: '500',
    OTEL_BSP_SCHEDULE_DELAY: '20',
    ...more,
  }
  const executor = stack.use(run('service.ts', ['executor'], traced))
  const others = [run('service.ts', ['registry'], env), run('demo.ts', [], env)]
  for (const one of others) stack.use(one)
  await Promise.all([executor, ...others].map((one) => one.line(/ready/)))
  const { executor: client } = stack.use(await createDistributedPoolSystem({ servers: server.url }))
  return {
    executor,
    work: async (count: number): Promise<void> => {
      const tasks = Array.from({ length: count }, () => ({
        task_type: 'checksum',
        payload: { text: 'to be' },
        required_capabilities: ['text'],
      }))
      const results = await Promise.all(tasks.map((task) => client.executeTask(task)))
      expect(results.filter(({ status }) => status === 'completed')).toHaveLength(count)
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

async function serving(listener: RequestListener): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test('a collector that is away is told of once, with what to do, and once when it is back', async () => {
  const port = await freePort()
  const target = `http://127.0.0.1:${port}`
  const metrics = await freePort()
  await using it = await system(target, { POOLMESH_METRICS_PORT: String(metrics) })
  const told = () => aboutTraces(it.executor)
  while (told().length === 0) await it.work(5)
  for (let round = 0; round < 20; round++) await it.work(5)
  expect(told()).toMatchObject([{ level: WARN, target: `${target}/v1/traces` }])
  expect(told()[0]?.msg).toContain('OTEL_EXPORTER_OTLP_ENDPOINT')
  expect(told()[0]?.reason).toContain('ECONNREFUSED')

  await using collector = new Collector()
  await collector.start(port)
  await until(async () => {
    await it.work(1)
    return told().length === 2
  }, 'word that it is back')
  expect(told()[1]).toMatchObject({ msg: 'traces can be sent again', lost_spans: expect.any(Number) })
  expect(collector.named('poolmesh.task').length).toBeGreaterThan(0)
  const text = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text()
  for (const outcome of ['sent', 'lost'])
    expect(text).toMatch(new RegExp(`^poolmesh_trace_spans_total\\{.*outcome="${outcome}".*\\} [1-9]`, 'm'))
})

test('one that refuses says why', async () => {
  await using collector = await serving((request, response) => {
    request.resume().on('end', () => response.writeHead(401).end('who are you?'))
  })
  await using it = await system(collector.url)
  await it.work(1)
  const [line] = await until(() => aboutTraces(it.executor).length > 0 && aboutTraces(it.executor), 'a line')
  expect(line).toMatchObject({ level: WARN })
  expect(line?.reason).toMatch(/401|Unauthorized/)
})

test('of what one that never answers does not take, no more than the queue is kept, and the process ends as ever', async () => {
  const [queue, batch] = [100, 50]
  let sent = 0
  await using collector = await serving(async (request) => {
    let text = ''
    for await (const chunk of request) text += chunk
    sent += text.split('"spanId"').length - 1
  })
  await using it = await system(collector.url, {
    OTEL_EXPORTER_OTLP_TIMEOUT: '60000',
    OTEL_BSP_EXPORT_TIMEOUT: '60000',
    OTEL_BSP_MAX_QUEUE_SIZE: String(queue),
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: String(batch),
  })
  await it.work(100)
  const [line] = await until(() => aboutTraces(it.executor).length > 0 && aboutTraces(it.executor), 'a line')
  expect(line).toMatchObject({ level: WARN, msg: expect.stringMatching(/OTEL_BSP_MAX_QUEUE_SIZE/) })
  await it.work(100)
  expect(aboutTraces(it.executor)).toHaveLength(1)
  it.executor.child.kill('SIGTERM')
  expect(await it.executor.ended).toEqual({ code: 0, signal: null })
  // What was under way, and the queue when it ended, of 800 spans.
  expect(sent).toBeGreaterThan(batch)
  expect(sent).toBeLessThanOrEqual(queue + batch)
})
