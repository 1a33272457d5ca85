import { request } from 'node:http'
import { freePort, loadSettings, silentLogger } from '@poolmesh/bus'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startGateway } from '../src/index.ts'
import { type Served, startServed } from './fixture.ts'

const TOKEN = 'a-token-of-some-length'
let it: Served
beforeAll(async () => {
  it = await startServed({ POOLMESH_HTTP_HOST: '0.0.0.0', POOLMESH_HTTP_TOKEN: TOKEN })
})
afterAll(() => it[Symbol.asyncDispose]())

/** With headers that fetch would not send. @returns the status */
function raw(url: string, headers: Record<string, string>, method = 'GET'): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(url, { method, headers, agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
      .once('error', reject)
      .end()
  })
}

test('off loopback nothing of the API is told without the token; health is', async () => {
  for (const path of [
    '/api/v1/pools',
    '/api/v1/events?topics=pools',
    '/api/v1/openapi.json',
    '/metrics',
    '/mcp',
  ]) {
    const { status, headers, body } = await it.ask('GET', path)
    expect([status, body.code], path).toEqual([401, 'UNAUTHORIZED'])
    expect(headers.get('www-authenticate')).toContain('Bearer')
    expect((await it.ask('GET', path, undefined, { authorization: 'Bearer wrong' })).status).toBe(401)
  }
  expect((await it.ask('GET', '/healthz')).status).toBe(200)
  const { status } = await it.ask('GET', '/api/v1/pools', undefined, { authorization: `Bearer ${TOKEN}` })
  expect(status).toBe(200)
})

test('off loopback it does not start without a token', async () => {
  const settings = loadSettings(
    { POOLMESH_HTTP_PORT: String(await freePort()), POOLMESH_HTTP_HOST: '0.0.0.0' },
    '',
  )
  const starting = startGateway({ nc: it.system.nc, settings, log: silentLogger() })
  await expect(starting).rejects.toThrow(/POOLMESH_HTTP_TOKEN/)
})

test('on loopback a name of elsewhere is refused, and so is what a page of elsewhere can send', async () => {
  await using local = await startServed()
  const { host } = new URL(local.url)
  expect(await raw(`${local.url}/api/v1/pools`, { host: 'evil.example' })).toBe(421)
  expect(await raw(`${local.url}/api/v1/pools`, { host: `localhost:${new URL(local.url).port}` })).toBe(200)
  const url = `${local.url}/api/v1/dead:purge`
  expect(await raw(url, { 'content-type': 'text/plain' }, 'POST')).toBe(415)
  expect(await raw(url, {}, 'POST')).toBe(403)
  expect(await raw(url, { 'content-type': 'application/json', origin: 'http://evil.example' }, 'POST')).toBe(
    403,
  )
  // Taken, and refused for what is in it.
  expect(await raw(url, { 'x-requested-with': 'test', origin: `http://${host}` }, 'POST')).toBe(400)
  const { headers } = await local.ask('GET', '/api/v1/pools', undefined, { origin: 'http://evil.example' })
  expect([...headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
  expect(headers.get('content-security-policy')).toContain("default-src 'none'")
})

test('a body that is too large is refused before it is read', async () => {
  const body = JSON.stringify({ all: true, filler: 'x'.repeat(2 * 1024 ** 2) })
  const { status, body: problem } = await it.ask('POST', '/api/v1/dead:purge', body, {
    authorization: `Bearer ${TOKEN}`,
  })
  expect([status, problem.code]).toEqual([413, 'PAYLOAD_TOO_LARGE'])
})
