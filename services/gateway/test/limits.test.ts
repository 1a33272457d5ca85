// Who sends or reads too slowly, too much or without an end. With shorter limits than in use; real sockets.
import { once } from 'node:events'
import { until } from '@poolmesh/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CHUNKED, chunk, connectTo, head, JSON_BODY } from './connection.ts'
import { type Served, startServed } from './fixture.ts'

const MIB = 1024 ** 2
/** More than the buffers of the system hold between two sockets. */
const LARGE = 24 * MIB
const LIMITS = {
  headersMs: 400,
  bodyMs: 400,
  lingerMs: 400,
  unreadMs: 1_000,
  unreadBytes: 1.5 * LARGE,
  bodiesBytes: 20 * MIB,
  linesIdleMs: 4_000,
}
const EXPLAIN = 'POST /api/v1/tasks:explain'
const LINES = 'POST /api/v1/tasks:ndjson'
const LINES_BODY = 'Content-Type: application/x-ndjson'

let it: Served
beforeAll(async () => {
  it = await startServed({}, LIMITS)
})
afterAll(() => it[Symbol.asyncDispose]())

test('headers that do not come are not waited for, nor is a connection that says nothing', async () => {
  using silent = connectTo(it.url)
  using slow = connectTo(it.url)
  slow.send('GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n')
  for (const connection of [silent, slow]) {
    expect(await connection.read('"code"')).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/)
    await until(connection.ended)
  }
})

test('a body that does not end gets 408, and then its connection is ended', async () => {
  using slow = connectTo(it.url)
  slow.send(head(EXPLAIN, JSON_BODY, CHUNKED))
  const dripping = setInterval(() => slow.send(chunk(' ')), 20)
  try {
    expect(await slow.read('"code"')).toMatch(/^HTTP\/1\.1 408 /)
    expect(slow.text()).toContain('the body was not there within 0.4 s')
    await until(slow.ended)
  } finally {
    clearInterval(dripping)
  }
})

test('a body that is too large gets its answer while it is sent, is not kept, and does not go on for ever', async () => {
  using large = connectTo(it.url)
  large.send(head(EXPLAIN, JSON_BODY, CHUNKED))
  const flood = setInterval(() => large.send(chunk(' '.repeat(MIB / 2))), 5)
  try {
    expect(await large.read('"code"')).toMatch(/^HTTP\/1\.1 413 /)
    await until(large.ended)
  } finally {
    clearInterval(flood)
  }
})

test('what nobody wanted to read is thrown away: the next request on that connection is answered', async () => {
  using connection = connectTo(it.url)
  const body = ' '.repeat(2 * MIB)
  connection.send(head(EXPLAIN, JSON_BODY, `Content-Length: ${body.length}`) + body)
  connection.send(head('GET /healthz'))
  expect(await connection.read('{"status":"up"}')).toMatch(/^HTTP\/1\.1 413 /)
})

test('a body without an end where none is read does not keep its connection', async () => {
  for (const [line, type, status] of [
    ['GET /healthz', JSON_BODY, 200],
    ['POST /api/v1/tasks', 'Content-Type: text/plain', 415],
  ] as const) {
    using endless = connectTo(it.url)
    endless.send(head(line, type, CHUNKED))
    const dripping = setInterval(() => endless.send(chunk(' ')), 20)
    try {
      expect(await endless.read('\r\n\r\n')).toContain(`HTTP/1.1 ${status} `)
      await until(endless.ended, line)
    } finally {
      clearInterval(dripping)
    }
  }
})

/** Pools of which a list is {@link LARGE}. */
async function registerLarge(): Promise<void> {
  const metadata = { note: 'x'.repeat(400_000) }
  for (let i = 0; i < LARGE / 400_000; i++)
    await it.ask('POST', '/api/v1/pools', { name: `large-${i}`, pool_type: 'nats', metadata })
  await until(async () => JSON.stringify((await it.ask('GET', '/api/v1/pools')).body).length >= LARGE)
}

test('answers that nobody reads are bounded together, and end their connections', async () => {
  await registerLarge()
  const list = '/api/v1/pools?limit=1000'
  using reader = connectTo(it.url, { isRead: false })
  reader.send(head(`GET ${list}`))
  await once(reader.socket, 'readable')
  const refused = await until(async () => {
    const { status, body } = await it.ask('GET', list)
    return status === 429 && body
  }, 'no room for another')
  expect(refused.code).toBe('OVERLOADED')
  // Small ones go on.
  expect((await it.ask('GET', '/healthz')).status).toBe(200)
  await until(async () => (await it.ask('GET', list)).status === 200, 'the unread one to be given up')
  reader.socket.resume()
  await until(reader.ended)
})

test('an answer that is read slowly, but read, is not cut off', async () => {
  using reader = connectTo(it.url, { isRead: false })
  let bytes = 0
  reader.send(head('GET /api/v1/pools?limit=1000', 'Connection: close'))
  const began = performance.now()
  reader.socket.once('data', () => reader.socket.pause())
  reader.socket.on('data', (data) => {
    bytes += data.length
    if (performance.now() - began > 3 * LIMITS.unreadMs) return
    reader.socket.pause()
    setTimeout(() => reader.socket.resume(), 10)
  })
  await until(reader.ended)
  expect(bytes).toBeGreaterThan(LARGE)
})

test('lines that stop to come end their connection, those before are answered', async () => {
  using idle = connectTo(it.url)
  idle.send(head(LINES, LINES_BODY, CHUNKED) + chunk('no JSON\n') + chunk('{"task_type"'))
  await idle.read('"line":1')
  await until(idle.ended)
  expect(idle.text()).not.toContain('"line":2')
})

test('a line that is too long is told by its number, and nothing behind it is read', async () => {
  using long = connectTo(it.url)
  long.send(head(LINES, LINES_BODY, CHUNKED) + chunk(`no JSON\n${'x'.repeat(17 * MIB)}`))
  const answers = await long.read('"line":2')
  expect(answers).toContain('"code":"PAYLOAD_TOO_LARGE"')
  await until(long.ended)
})

test('a body that says itself that it is too large is refused before any of it is there', async () => {
  using large = connectTo(it.url)
  large.send(head(EXPLAIN, JSON_BODY, 'Content-Length: 99999999999'))
  expect(await large.read('"code"')).toMatch(/^HTTP\/1\.1 413 /)
})

test('lines without an end have room together, and whoever would have more is told', async () => {
  const half = 'x'.repeat(11 * MIB)
  using first = connectTo(it.url)
  using second = connectTo(it.url)
  for (const one of [first, second]) one.send(head(LINES, LINES_BODY, CHUNKED) + chunk(half))
  const told = [first, second].map(async (one, i) => ({
    answer: await one.read('"line":1'),
    other: [second, first][i],
  }))
  const { answer, other } = await Promise.any(told)
  expect(answer).toContain('"code":"OVERLOADED"')
  // It is given back.
  other?.socket.destroy()
  await until(async () => {
    using third = connectTo(it.url)
    third.send(head(LINES, LINES_BODY, CHUNKED) + chunk(half) + chunk(`\n`) + chunk(''))
    return (await third.read('"line":1')).includes('"code":"INVALID_JSON"')
  })
})
