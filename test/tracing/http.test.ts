import { freePort } from '@poolmesh/bus'
import { run, startTestServer, until } from '@poolmesh/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { CollectedSpan } from './collector.ts'
import { SUBMITTER, Surroundings, TRACE, TRACEPARENT } from './surroundings.ts'

let it: Surroundings
let url: string
beforeAll(async () => {
  it = await Surroundings.start()
  const port = await freePort()
  url = `http://127.0.0.1:${port}`
  await Promise.all([
    it.services('registry', 'executor'),
    it.service('gateway', { POOLMESH_HTTP_PORT: String(port) }),
    it.demoPools(),
  ])
})
afterAll(async () => {
  await it?.[Symbol.asyncDispose]()
})

const WORDS = {
  task_type: 'text.words',
  payload: { text: 'to be or not to be' },
  required_capabilities: ['text'],
}
const JSON_TYPE = { 'content-type': 'application/json' }
const post = (path: string, body: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(url + path, { method: 'POST', headers: { ...JSON_TYPE, ...headers }, body })
/** The span of the request, once it is there. Each test asks for a route of its own. */
const spanOf = (name: string): Promise<CollectedSpan> =>
  until(() => it.collector.named(name)[0], `the span ${name}`)
const tasksUnder = (span: CollectedSpan, count: number): Promise<CollectedSpan[]> =>
  until(() => {
    const tasks = it.collector.under(span, 'poolmesh.task')
    return tasks.length === count && tasks
  }, `${count} tasks under ${span.name}`)

test('a request is a span of its caller’s trace, and what it submits goes on under it', async () => {
  const answer = await post('/api/v1/tasks', JSON.stringify(WORDS), {
    traceparent: TRACEPARENT,
    tracestate: 'vendor=told',
    prefer: 'wait=60',
    'user-agent': 'a test',
  })
  const { task_id } = (await answer.json()) as { task_id: string }
  const span = await spanOf('POST /api/v1/tasks')
  expect(span).toMatchObject({
    service: 'poolmesh-gateway',
    kind: 2,
    traceId: TRACE,
    parentSpanId: SUBMITTER,
    traceState: 'vendor=told',
    failed: false,
  })
  expect(span.attributes).toEqual({
    'http.request.method': 'POST',
    'http.route': '/api/v1/tasks',
    'http.response.status_code': '200',
    'url.path': '/api/v1/tasks',
    'url.scheme': 'http',
    'network.protocol.version': '1.1',
    'client.address': '127.0.0.1',
    'server.address': '127.0.0.1',
    'server.port': new URL(url).port,
    'user_agent.original': 'a test',
    'poolmesh.task.id': task_id,
  })
  const [task] = await tasksUnder(span, 1)
  expect(task).toMatchObject({ traceId: TRACE, traceState: 'vendor=told' })
  expect(task?.attributes['poolmesh.task.id']).toBe(task_id)
})

test('without a caller’s trace it begins one; a refusal is no failure of the server', async () => {
  const answer = await post('/api/v1/tasks:explain', '{"task_type":7}')
  expect(answer.status).toBe(400)
  const span = await spanOf('POST /api/v1/tasks:explain')
  expect(span.parentSpanId ?? '').toBe('')
  expect(span).toMatchObject({ failed: false })
  expect(span.attributes['http.response.status_code']).toBe('400')
  await fetch(`${url}/api/v1/tasks/nobody-knows-it/attempts`)
  const unknown = await spanOf('GET /api/v1/tasks/{id}/attempts')
  expect(unknown.attributes).toMatchObject({
    'http.response.status_code': '404',
    'url.path': '/api/v1/tasks/nobody-knows-it/attempts',
  })
})

test('what its caller does not sample has no spans, neither here nor in the executor nor in the pool', async () => {
  const unsampled = 'c'.repeat(32)
  const ask = async (traceparent: string): Promise<string> => {
    const answer = await post('/api/v1/tasks', JSON.stringify(WORDS), { traceparent, prefer: 'wait=60' })
    return ((await answer.json()) as { task_id: string }).task_id
  }
  await ask(`00-${unsampled}-${SUBMITTER}-00`)
  const id = { 'poolmesh.task.id': await ask(TRACEPARENT) }
  // A process sends its spans in the order in which they ended.
  for (const name of ['POST /api/v1/tasks', 'poolmesh.task', 'poolmesh.run'])
    await until(() => it.collector.named(name, id).length === 1, name)
  expect(it.collector.spans.filter(({ traceId }) => traceId === unsampled)).toEqual([])
})

test('many tasks in a request are one span with their number, and each task is under it', async () => {
  const tasks = [WORDS, WORDS, { task_type: 7 }, WORDS]
  await post('/api/v1/tasks:batch', JSON.stringify({ tasks }), { traceparent: TRACEPARENT })
  const batch = await spanOf('POST /api/v1/tasks:batch')
  expect(batch).toMatchObject({ traceId: TRACE, parentSpanId: SUBMITTER })
  expect(batch.attributes).toMatchObject({ 'poolmesh.tasks.taken': '3', 'poolmesh.tasks.refused': '1' })
  await tasksUnder(batch, 3)

  const lines = [...Array.from({ length: 100 }, () => JSON.stringify(WORDS)), 'no task'].join('\n')
  const answer = await post('/api/v1/tasks:ndjson', lines, { 'content-type': 'application/x-ndjson' })
  expect((await answer.text()).trim().split('\n')).toHaveLength(101)
  const stream = await spanOf('POST /api/v1/tasks:ndjson')
  expect(stream.attributes).toMatchObject({
    'poolmesh.tasks.taken': '100',
    'poolmesh.tasks.refused': '1',
    'http.response.status_code': '200',
  })
  await tasksUnder(stream, 100)
  expect(it.collector.spans.filter(({ service }) => service === 'poolmesh-gateway').length).toBeLessThan(10)
})

test('a call of a tool is a span under its request, or under what its _meta names', async () => {
  const rpc = async (body: object, session?: string): Promise<Response> => {
    const answer = await post('/mcp', JSON.stringify({ jsonrpc: '2.0', ...body }), {
      accept: 'application/json, text/event-stream',
      ...(session === undefined ? {} : { 'mcp-session-id': session }),
    })
    await answer.clone().text()
    return answer
  }
  const clientInfo = { name: 'a test', version: '1' }
  const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo }
  const begun = await rpc({ id: 0, method: 'initialize', params })
  const session = begun.headers.get('mcp-session-id') ?? undefined
  await rpc({ method: 'notifications/initialized' }, session)
  const call = (id: number, name: string, args: object, more: object = {}): Promise<Response> =>
    rpc({ id, method: 'tools/call', params: { name, arguments: args, ...more } }, session)

  await call(1, 'pool_route_execute', { prompt: 'to be', required_capabilities: ['text'] })
  const plain = await spanOf('tools/call pool_route_execute')
  expect(plain.attributes).toMatchObject({
    'mcp.method.name': 'tools/call',
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': 'pool_route_execute',
    'mcp.session.id': session,
  })
  await until(
    () => it.collector.named('POST /mcp').some(({ spanId }) => spanId === plain.parentSpanId),
    'the span of its request',
  )
  await tasksUnder(plain, 1)

  await call(2, 'task_status', { task_id: 'nobody-knows-it' }, { _meta: { traceparent: TRACEPARENT } })
  const told = await spanOf('tools/call task_status')
  expect(told).toMatchObject({ traceId: TRACE, parentSpanId: SUBMITTER, failed: true })
  expect(told.attributes['error.type']).toBe('tool_error')
  expect(it.collector.named('POST /mcp').map(({ spanId }) => spanId)).toContain(told.links[0])
})

test('probes and the files of the page are none', async () => {
  for (const path of ['/healthz', '/readyz', '/metrics', '/']) await (await fetch(url + path)).text()
  await (await fetch(`${url}/api/v1/nothing`)).text()
  await until(
    () => it.collector.named('GET').some(({ attributes }) => attributes['url.path'] === '/api/v1/nothing'),
    'the span of what is not there',
  )
  const paths = it.collector.spans.map(({ attributes }) => attributes['url.path'])
  expect(paths.filter((path) => path !== undefined && !/^\/(api|mcp)/.test(path))).toEqual([])
})

test('a gateway without traces passes on what its caller names', async () => {
  await using server = await startTestServer()
  const port = await freePort()
  const env = { NATS_URL: server.url, POOLMESH_HTTP_PORT: String(port) }
  await using registry = run('service.ts', ['registry'], env)
  await using gateway = run('service.ts', ['gateway'], env)
  await Promise.all([registry, gateway].map((one) => one.line(/ready/)))
  const headers = { ...JSON_TYPE, traceparent: TRACEPARENT, tracestate: 'vendor=told' }
  const body = JSON.stringify(WORDS)
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/tasks`, { method: 'POST', headers, body })
  expect(answer.status).toBe(202)
  const nc = await server.connect()
  const { task_id } = (await answer.json()) as { task_id: string }
  const stored = await nc.request(
    '$JS.API.DIRECT.GET.TASKS',
    JSON.stringify({ last_by_subj: `task.submitted.normal.${task_id}` }),
  )
  expect(stored.string()).toContain(`"tracestate":"vendor=told"`)
  expect(stored.string()).toContain(TRACEPARENT)
})
