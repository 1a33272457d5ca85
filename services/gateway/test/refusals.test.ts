// What is no request that anybody could answer, and how that is said.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectTo, head, JSON_BODY } from './connection.ts'
import { type Served, startServed } from './fixture.ts'

let it: Served
beforeAll(async () => {
  it = await startServed()
})
afterAll(() => it[Symbol.asyncDispose]())

const task = { task_type: 'x', payload: {}, required_capabilities: ['nobody'] }

test.each([
  ['what is no HTTP', 'hello\r\n\r\n', 400],
  ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
  ['a method that there is not', head('FOO /api/v1/tasks'), 400],
  ['no Host', 'GET /healthz HTTP/1.1\r\n\r\n', 400],
  [
    'two lengths',
    head('POST /api/v1/tasks', JSON_BODY, 'Content-Length: 3', 'Transfer-Encoding: chunked'),
    400,
  ],
  ['a negative length', head('POST /api/v1/tasks', JSON_BODY, 'Content-Length: -3'), 400],
  [
    'a chunk of no length',
    `${head('POST /api/v1/tasks', JSON_BODY, 'Transfer-Encoding: chunked')}zz\r\n`,
    400,
  ],
  ['one long header', head('GET /healthz', `X: ${'a'.repeat(40_000)}`), 431],
  ['many headers', head('GET /healthz', ...Array.from({ length: 4_000 }, (_, i) => `a${i}: 1`)), 431],
  ['a path that is none', head('GET /api/v1/tasks/%zz'), 400],
  ['a path that is too long', head(`GET /api/v1/tasks/${'x'.repeat(300)}`), 414],
  ['another host', head('GET /api/v1/pools').replace('127.0.0.1', 'evil.example'), 421],
])('%s is answered with problem details', async (_, bytes, status) => {
  using connection = connectTo(it.url)
  connection.send(Buffer.from(bytes, 'latin1'))
  const answer = await connection.read('"issues":[]')
  expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [A-Z]`))
  expect(answer.toLowerCase()).toContain('content-type: application/problem+json')
  expect(answer.toLowerCase()).toContain('x-content-type-options: nosniff')
  expect(answer).toContain(`"status":${status},`)
})

test('a second answer is not written into one that is under way', async () => {
  using connection = connectTo(it.url)
  const lines = head(
    'POST /api/v1/tasks:ndjson',
    'Content-Type: application/x-ndjson',
    'Transfer-Encoding: chunked',
  )
  connection.send(`${lines}8\r\nno JSON\n\r\n`)
  await connection.read('"line":1')
  connection.send('zz\r\n')
  await new Promise((resolve) => connection.socket.once('close', resolve))
  expect(connection.text().match(/HTTP\/1\.1/g)).toHaveLength(1)
})

test.each([
  ['application/xml', {}, 415],
  ['text/plain', { 'x-requested-with': 'test' }, 415],
  ['application/x-ndjson', {}, 415],
  ['application/json', { 'content-encoding': 'gzip' }, 415],
  ['application/json; charset=utf-8', {}, 202],
  ['application/vnd.task+json', {}, 202],
])('a body that says it is %s, with %o', async (type, headers, wanted) => {
  const { status, body } = await it.ask('POST', '/api/v1/tasks', task, { 'content-type': type, ...headers })
  expect([status, body.code]).toEqual([wanted, wanted === 415 ? 'INVALID_INPUT' : undefined])
})

test('OPTIONS tells what is served, and allows no other origin', async () => {
  const preflight = { origin: 'http://evil.example', 'access-control-request-method': 'POST' }
  const { status, headers } = await it.ask('OPTIONS', '/api/v1/tasks/x', undefined, preflight)
  expect([status, headers.get('allow')]).toEqual([204, 'OPTIONS, DELETE, GET, HEAD'])
  expect([...headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
  expect((await it.ask('OPTIONS', '/api/v1/nothing')).status).toBe(404)
})

test('a method that is not served is told those that are', async () => {
  for (const [method, path, allow] of [
    ['HEAD', '/api/v1/events?topics=pools', 'GET'],
    ['DELETE', '/api/v1/tasks', 'GET, HEAD, POST'],
    ['PUT', '/api/v1/tasks:batch', 'POST'],
    ['PATCH', '/mcp', 'GET, POST, DELETE'],
  ] as const) {
    const { status, headers } = await it.ask(method, path)
    expect([status, headers.get('allow')], `${method} ${path}`).toEqual([405, allow])
  }
})

test('a number that is larger than what it stands for may be counts as the largest', async () => {
  expect((await it.ask('GET', '/api/v1/tasks?limit=99999999999')).status).toBe(200)
  for (const limit of ['0', '-1', '1.5', 'all', ''])
    expect((await it.ask('GET', `/api/v1/tasks?limit=${limit}`)).body.issues).toMatchObject([
      { path: 'limit' },
    ])
  const prefer = (wait: string) => it.ask('POST', '/api/v1/tasks:explain', task, { prefer: `wait=${wait}` })
  expect((await prefer('99999999999')).status).toBe(200)
  const waiting = { 'idempotency-key': 'ended' }
  await it.ask('POST', '/api/v1/tasks', task, waiting)
  await it.ask('DELETE', '/api/v1/tasks/ended')
  const waited = await it.ask('POST', '/api/v1/tasks', task, { ...waiting, prefer: 'wait=99999999999' })
  expect([waited.status, waited.headers.get('preference-applied')]).toEqual([200, 'wait=300'])
  for (const wait of ['-1', '1.5', 'abc', '']) {
    const { status } = await it.ask('POST', '/api/v1/tasks', task, { prefer: `wait=${wait}` })
    expect(status, wait).toBe(400)
  }
})

test('an Idempotency-Key is free while what came with it is refused, and the order of fields is no other task', async () => {
  const key = { 'idempotency-key': 'of-its-own' }
  expect((await it.ask('POST', '/api/v1/tasks', { task_type: '' }, key)).status).toBe(400)
  const [first, reordered, other] = [task, { ...task }, { ...task, priority: 9 }]
  expect((await it.ask('POST', '/api/v1/tasks', first, key)).status).toBe(202)
  const { payload, ...rest } = reordered
  expect((await it.ask('POST', '/api/v1/tasks', { payload, ...rest }, key)).status).toBe(202)
  expect((await it.ask('POST', '/api/v1/tasks', other, key)).status).toBe(409)
  // Also where what is refused comes behind it.
  expect((await it.ask('POST', '/api/v1/tasks', { task_type: '' }, key)).status).toBe(409)
  expect((await it.ask('POST', '/api/v1/tasks', other, key)).status).toBe(409)
  using twice = connectTo(it.url)
  const text = JSON.stringify(task)
  const keys = ['Idempotency-Key: a', 'Idempotency-Key: b', `Content-Length: ${text.length}`]
  twice.send(head('POST /api/v1/tasks', JSON_BODY, ...keys) + text)
  expect(await twice.read('"issues"')).toContain('the header Idempotency-Key must be there once')
})

test('a line that is not UTF-8 is refused, and not taken for another; a byte order mark is no part of the first', async () => {
  const good = JSON.stringify(task)
  const body = Buffer.concat([
    Buffer.from(`\uFEFF${good}\n{"task_type":"`),
    Buffer.from([0xff]),
    Buffer.from(`","payload":{}}\n${good}`),
  ])
  const response = await fetch(`${it.url}/api/v1/tasks:ndjson`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body,
  })
  const answers = (await response.text())
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(answers.toSorted((a, b) => a.line - b.line)).toEqual([
    { line: 1, task_id: expect.any(String) },
    { line: 2, error: { code: 'INVALID_JSON', message: 'the line is not UTF-8', issues: [] } },
    { line: 3, task_id: expect.any(String) },
  ])
})

test('what is or may be a secret in a pool is not told', async () => {
  const secret = 'zzz-secret'
  const pool = {
    name: 'with-secrets',
    pool_type: 'mahavishnu',
    endpoint: `http://user:${secret}@127.0.0.1:9/x?token=${secret}&sig=${secret}&page=2`,
    metadata: {
      auth: { user: secret },
      auth_header: secret,
      bearer: secret,
      accessKey: secret,
      private_key: secret,
      signature: secret,
      database: `postgres://user:${secret}@127.0.0.1/tasks`,
      headers: ['Accept: */*', `Authorization: Bearer ${secret}-of-some-length`],
      author: 'told',
      note: 'a Basic understanding of http://127.0.0.1/a@b',
    },
  }
  const { body } = await it.ask('POST', '/api/v1/pools', pool)
  expect(body.metadata).toMatchObject({ author: 'told', note: pool.metadata.note })
  const told = [
    body,
    ...(await Promise.all(
      ['', '/with-secrets', '/with-secrets/checks'].map((path) => it.ask('GET', `/api/v1/pools${path}`)),
    )),
    await it.ask('POST', '/api/v1/pools/with-secrets/check'),
    await it.ask('POST', '/api/v1/tasks:explain', { ...task, pool: 'with-secrets' }),
    await it.ask('GET', '/metrics'),
  ]
  expect(JSON.stringify(told)).not.toContain(secret)
})

test('who goes away while he waits is not waited for', async () => {
  const key = ['Idempotency-Key: left-alone', 'Prefer: wait=60']
  await it.ask('POST', '/api/v1/tasks', task, { 'idempotency-key': 'left-alone' })
  let asked = 0
  const asking = it.system.nc.subscribe('task.result', {
    callback: () => {
      asked++
    },
  })
  const text = JSON.stringify(task)
  const waiting = connectTo(it.url)
  waiting.send(head('POST /api/v1/tasks', JSON_BODY, `Content-Length: ${text.length}`, ...key) + text)
  while (asked < 3) await new Promise((resolve) => setTimeout(resolve, 50))
  waiting.socket.destroy()
  const quiet = async (): Promise<boolean> => {
    const before = asked
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    return asked === before
  }
  while (!(await quiet()));
  asking.unsubscribe()
})
