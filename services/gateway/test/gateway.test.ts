import { once } from 'node:events'
import { createServer } from 'node:net'
import { freePort, loadSettings, type Settings, serve, silentLogger } from '@poolmesh/bus'
import { startTestServer } from '@poolmesh/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startGateway } from '../src/index.ts'

const TOKEN = 'a-token-of-some-length'
let bus: Awaited<ReturnType<typeof startTestServer>>
beforeAll(async () => {
  bus = await startTestServer()
  await bus.topology()
})
afterAll(() => bus[Symbol.asyncDispose]())

async function gateway(
  env: Record<string, string> = {},
): Promise<{ url: string; settings: Settings } & AsyncDisposable> {
  const http_port = await freePort()
  const settings = loadSettings({ POOLMESH_HTTP_PORT: String(http_port), ...env })
  const running = await startGateway({ nc: await bus.connect(), settings, log: silentLogger() })
  return {
    url: `http://127.0.0.1:${http_port}`,
    settings,
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  }
}
/** Someone who answers $SRV.PING under a service's name. */
const stand = async (name: string): Promise<AsyncDisposable> =>
  serve(await bus.connect(), { name, description: 'stands in', endpoints: [], log: silentLogger() })

test('/healthz says that the process is up, whatever the bus does', async () => {
  await using it = await gateway()
  const response = await fetch(`${it.url}/healthz`)
  expect(response.status).toBe(200)
  expect(await response.json()).toEqual({ status: 'up' })
})

test('it listens on loopback alone, or on the address that it was given', async () => {
  await using loopback = await gateway()
  const { port } = new URL(loopback.url)
  await expect(fetch(`http://127.0.0.2:${port}/healthz`)).rejects.toThrow()
  await using everywhere = await gateway({ POOLMESH_HTTP_HOST: '0.0.0.0', POOLMESH_HTTP_TOKEN: TOKEN })
  const other = new URL(everywhere.url).port
  expect((await fetch(`http://127.0.0.2:${other}/healthz`)).status).toBe(200)
})

test('/readyz names what is missing, and is 200 once registry and executor answer', async () => {
  await using it = await gateway()
  const before = await fetch(`${it.url}/readyz`)
  expect(before.status).toBe(503)
  expect(await before.json()).toMatchObject({ ready: false, missing: ['registry', 'executor'] })
  await using _registry = await stand('poolmesh-registry')
  const half = await fetch(`${it.url}/readyz`)
  expect(half.status).toBe(503)
  expect(await half.json()).toMatchObject({ missing: ['executor'], parts: { nats: 'up', registry: 'up' } })
  await using _executor = await stand('poolmesh-executor')
  const after = await fetch(`${it.url}/readyz`)
  expect(after.status).toBe(200)
  expect(await after.json()).toMatchObject({ ready: true, missing: [], parts: { distributor: 'down' } })
})

test('/readyz says when the broker is away', async () => {
  await using other = await startTestServer()
  await other.topology()
  const http_port = await freePort()
  const settings = loadSettings({ POOLMESH_HTTP_PORT: String(http_port) })
  await using _it = await startGateway({ nc: await other.connect(), settings, log: silentLogger() })
  await other.server.stop('SIGKILL')
  const response = await fetch(`http://127.0.0.1:${http_port}/readyz`)
  expect(response.status).toBe(503)
  expect(await response.json()).toMatchObject({ missing: ['nats', 'registry', 'executor'] })
})

test('/ is a page for people, and what is not served is said in JSON', async () => {
  await using it = await gateway()
  const page = await fetch(it.url)
  expect(page.status).toBe(200)
  expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
  expect(await page.text()).toContain('<title>')
  for (const path of ['/api/v1', '/api/v1/nothing', '/../etc/passwd', '/%00', '/healthz/']) {
    const response = await fetch(it.url + path)
    expect(response.status, path).toBe(404)
    expect(response.headers.get('content-type')).toContain('application/problem+json')
    expect(await response.json()).toMatchObject({ code: 'NOT_FOUND', status: 404, issues: [] })
  }
  const post = await fetch(`${it.url}/healthz`, {
    method: 'POST',
    headers: { 'x-requested-with': 'test' },
    body: 'x',
  })
  expect(post.status).toBe(405)
  expect(post.headers.get('allow')).toBe('GET, HEAD')
  const head = await fetch(`${it.url}/healthz`, { method: 'HEAD' })
  expect(head.status).toBe(200)
  expect(await head.text()).toBe('')
})

test('a port that is taken is refused by the name of its setting', async () => {
  const squatter = createServer().listen(0, '127.0.0.1')
  await once(squatter, 'listening')
  const { port } = squatter.address() as { port: number }
  const settings = loadSettings({ POOLMESH_HTTP_PORT: String(port) })
  const starting = startGateway({ nc: await bus.connect(), settings, log: silentLogger() })
  await expect(starting).rejects.toThrow(/EADDRINUSE.*POOLMESH_HTTP_PORT/)
  squatter.close()
})

test('stopping does not wait for connections that are kept open, and frees the port', async () => {
  const first = await gateway()
  await fetch(`${first.url}/healthz`)
  await first[Symbol.asyncDispose]()
  await expect(fetch(`${first.url}/healthz`)).rejects.toThrow()
})
