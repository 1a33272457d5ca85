// Health checks over HTTP against servers that behave and servers that do not.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { HeadersByUrl } from '@poolmesh/adapters'
import { until } from '@poolmesh/testkit'
import { afterEach, expect, test } from 'vitest'
import { HttpProbe } from '../src/http-probe.ts'

let stack = new AsyncDisposableStack()
afterEach(async () => {
  await stack.disposeAsync()
  stack = new AsyncDisposableStack()
})

const ENOUGH_MS = 20_000

async function serve(handle: (request: IncomingMessage, response: ServerResponse) => void) {
  const asked: IncomingMessage[] = []
  let sockets = 0
  const server = createServer((request, response) => {
    asked.push(request)
    handle(request, response)
  }).on('connection', () => void sockets++)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const stop = async (): Promise<void> => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  stack.defer(stop)
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, asked, stop, sockets: () => sockets }
}

function probe(headers: HeadersByUrl = {}) {
  const closing = new AbortController()
  stack.defer(() => closing.abort())
  const made = new HttpProbe({ path: '/health', closing: closing.signal, headers })
  const check = (endpoint: string, timeoutMs = ENOUGH_MS) =>
    made.check({ name: 'p', endpoint, metadata: {}, answersHealth: false }, timeoutMs)
  return { check, close: () => closing.abort() }
}

const says =
  (body: string, type?: string, status = 200) =>
  (_: IncomingMessage, response: ServerResponse): void =>
    void response.writeHead(status, type ? { 'content-type': type } : {}).end(body)

test.for<[string, string, string | undefined, string]>([
  ['its own word', '{"status":"degraded"}', 'application/json', 'degraded'],
  ['its own word, of no type', '{"status":"unavailable"}', undefined, 'unavailable'],
  ['a word of its own', '{"status":"ok"}', 'application/json', 'healthy'],
  ['no JSON', 'fine', 'text/plain', 'healthy'],
  ['nothing', '', undefined, 'healthy'],
  [
    'more than is read',
    `{"status":"degraded","why":"${'x'.repeat(2 ** 17)}"}`,
    'application/json',
    'healthy',
  ],
])('an answer with %s', async ([, body, type, status]) => {
  const { url } = await serve(says(body, type))
  expect(await probe().check(url)).toEqual({ kind: 'answered', status, responseMs: expect.any(Number) })
})

test.for<[string, (request: IncomingMessage, response: ServerResponse) => void, object]>([
  ['a status that is none of success', says('{}', 'application/json', 500), { error: 'HTTP status 500' }],
  [
    'a redirect, which is not followed',
    (_, response) => void response.writeHead(302, { location: '/else' }).end(),
    { error: 'HTTP status 302' },
  ],
  [
    'a connection that breaks',
    (_, response) => void response.socket?.resetAndDestroy(),
    { reason: 'unreachable', absent: false },
  ],
])('%s has failed', async ([, handle, finding]) => {
  const { url, asked } = await serve(handle)
  expect(await probe().check(url)).toMatchObject({ kind: 'failed', absent: false, ...finding })
  expect(asked).toHaveLength(1)
})

test.for<[string, (request: IncomingMessage, response: ServerResponse) => void]>([
  ['nothing', () => {}],
  ['an endless answer', (_, response) => void setInterval(() => response.write(' '), 5).unref()],
])('a server that sends %s has not answered in time', async ([, handle]) => {
  const { url } = await serve(handle)
  expect(await probe().check(url, 50)).toEqual({
    kind: 'failed',
    reason: 'timed_out',
    error: 'no answer within 0.05 s',
    absent: false,
  })
})

test('where nobody listens nobody is there', async () => {
  const { url, stop } = await serve(says(''))
  await stop()
  expect(await probe().check(url)).toMatchObject({ kind: 'failed', reason: 'unreachable', absent: true })
})

test('the address is the endpoint and /health, beside the door of an MCP server, with the headers for it', async () => {
  const { url, asked } = await serve(says('{}'))
  const { check } = probe({ [url]: { authorization: 'Bearer secret' } })
  await check(`${url}/a/?x=1`)
  await check(`${url}/b/mcp`)
  expect(asked.map((request) => request.url)).toEqual(['/a/health', '/b/health'])
  expect(asked.map(({ headers }) => headers.authorization)).toEqual(['Bearer secret', 'Bearer secret'])
})

test('pools that hang hold up no neighbour at their address, and a connection is used again', async () => {
  const { url, asked, sockets } = await serve((request, response) => {
    if (!request.url?.startsWith('/hangs')) response.end('{}')
  })
  const { check, close } = probe()
  const hanging = Array.from({ length: 20 }, () => check(`${url}/hangs`))
  await until(() => asked.length === 20)
  for (let i = 0; i < 5; i++) expect(await check(`${url}/lives`)).toMatchObject({ kind: 'answered' })
  expect(sockets()).toBe(21)
  close()
  for (const finding of await Promise.all(hanging)) expect(finding).toMatchObject({ kind: 'inconclusive' })
})
