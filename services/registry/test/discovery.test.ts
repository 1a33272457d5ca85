import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Svcm } from '@nats-io/services'
import { until } from '@poolmesh/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Fixture, fixture } from './fixture.ts'

let bus: Fixture
let registry: AsyncDisposable
beforeAll(async () => {
  bus = await fixture()
  registry = await bus.start({ POOLMESH_CHECK_TIMEOUT: '4' })
})
afterAll(async () => {
  await registry[Symbol.asyncDispose]()
  await bus[Symbol.asyncDispose]()
})

interface Endpoint extends AsyncDisposable {
  url: string
  /** What it says to `GET /pools`; a function answers as it likes. */
  says: unknown
  asked: string[]
}

/** A real HTTP server that has pools. */
async function endpoint(says: unknown): Promise<Endpoint> {
  const server: Server = createServer((request, response) => {
    here.asked.push(`${request.method} ${request.url}`)
    if (typeof here.says === 'function') here.says(response)
    else response.end(typeof here.says === 'string' ? here.says : JSON.stringify(here.says))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const here: Endpoint = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    says,
    asked: [],
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return here
}

const pool = (name: string, fields: object = {}): object => ({
  name,
  pool_type: 'mahavishnu',
  endpoint: 'http://pool:8000',
  ...fields,
})
const discover = (...endpoints: string[]) => bus.ask('pool.discover', { endpoints })
const NOTHING = { new: [], changed: [], gone: [], failed: [] }

test('what an endpoint lists is registered, changed and taken out like there', async () => {
  await using a = await endpoint({ pools: [pool('d1', { capabilities: ['x'] }), pool('d2')] })
  expect(await discover(a.url)).toEqual({ ...NOTHING, new: ['d1', 'd2'] })
  expect(a.asked).toEqual(['GET /pools'])
  expect(await bus.ask('pool.get', { name: 'd1' })).toMatchObject({
    capabilities: ['x'],
    max_workers: 10,
    metadata: { discovered_from: a.url },
  })
  a.says = { pools: [pool('d1', { capabilities: ['x'], current_workers: 4, load_factor: 0.4 }), pool('d2')] }
  // However the address is written.
  expect(await discover(`${a.url}/`, a.url)).toEqual(NOTHING)
  a.says = { pools: [pool('d1', { capabilities: ['y'] }), pool('d3')] }
  expect(await discover(a.url)).toEqual({ new: ['d3'], changed: ['d1'], gone: ['d2'], failed: [] })
  expect(await bus.ask('pool.get', { name: 'd2' })).toMatchObject({ draining: true })
  expect(await discover(a.url)).toEqual(NOTHING)
  expect((await bus.events('d2')).map((event) => event.reason)).toEqual(['discovered'])
  expect((await bus.events('d1')).map((event) => event.reason)).toEqual(['discovered', 'discovered'])
})

test('a pool that was registered by hand is neither replaced nor taken out', async () => {
  await using a = await endpoint({ pools: [pool('hand', { max_workers: 99 }), pool('taken')] })
  await bus.ask('pool.register', pool('hand', { max_workers: 3, metadata: { discovered_from: a.url } }))
  expect(await discover(a.url)).toEqual({ ...NOTHING, new: ['taken'] })
  expect(await bus.ask('pool.get', { name: 'hand' })).toMatchObject({ max_workers: 3, metadata: {} })
  // Somebody takes a discovered pool over.
  await bus.ask('pool.register', pool('taken', { max_workers: 3 }))
  a.says = { pools: [] }
  expect(await discover(a.url)).toEqual(NOTHING)
  expect(await bus.ask('pool.get', { name: 'taken' })).toMatchObject({ max_workers: 3 })
})

test('endpoints that fail are reported each with its reason, and keep the pools that they had', async () => {
  await using good = await endpoint({ pools: [pool('good')] })
  await using changing = await endpoint({ pools: [pool('kept')] })
  await discover(changing.url)
  changing.says = '{"pools":'
  await using hangs = await endpoint(() => {})
  await using stalls = await endpoint((response: ServerResponse) => response.write('{"pools":['))
  await using broken = await endpoint((response: ServerResponse) => {
    response.statusCode = 503
    response.end('{"pools":[]}')
  })
  await using shapeless = await endpoint({ pools: { a: 1 } })
  await using endless = await endpoint((response: ServerResponse) => {
    const more = (): void => {
      while (!response.destroyed && response.write(' '.repeat(65_536)));
      if (!response.destroyed) response.once('drain', more)
    }
    more()
  })
  await using dead = await endpoint(null)
  await dead[Symbol.asyncDispose]()
  const urls = [changing, hangs, stalls, broken, shapeless, endless, dead].map((at) => at.url)
  const reply = await discover(good.url, ...urls, 'nats://127.0.0.1:4222', 'http://user:secret@127.0.0.1')
  expect(reply).toMatchObject({ new: ['good'], changed: [], gone: [] })
  const reasons = Object.fromEntries(
    (reply['failed'] as { endpoint: string; reason: string }[]).map((failed) => [
      failed.endpoint,
      failed.reason,
    ]),
  )
  expect(reasons).toEqual({
    [changing.url]: 'the answer is no JSON',
    [hangs.url]: 'no answer within 4 s',
    [stalls.url]: 'no answer within 4 s',
    [broken.url]: 'it answers 503',
    [shapeless.url]: 'the answer has no list `pools`',
    [endless.url]: 'the answer has more than 8 MiB',
    [dead.url]: 'it cannot be reached: ECONNREFUSED',
    'nats://127.0.0.1:4222': 'is no http or https address, nor nats://services',
    'http://user:secret@127.0.0.1': 'has credentials, which are not sent',
  })
  expect(await bus.ask('pool.get', { name: 'kept' })).toMatchObject({ name: 'kept' })
})

test('what is no valid pool is left out with the place, and the others are taken', async () => {
  await using a = await endpoint({
    pools: [
      pool('v1'),
      pool('v2', { max_workers: 0 }),
      pool('a.b'),
      7,
      pool('v1'),
      pool('v3', { metadata: { t: 'x'.repeat(600_000) } }),
    ],
  })
  const reply = await discover(a.url)
  expect(reply['new']).toEqual(['v1'])
  const reasons = (reply['failed'] as { reason: string }[]).map((failed) => failed.reason)
  expect(reasons).toHaveLength(5)
  expect(reasons[0]).toMatch(/^pools\.1 \(v2\): .*max_workers/)
  expect(reasons[1]).toMatch(/^pools\.2 \(a\.b\): .*name/)
  expect(reasons[2]).toMatch(/^pools\.3: /)
  expect(reasons[3]).toBe('pools.4 (v1): is listed twice')
  expect(reasons[4]).toMatch(/^pools\.5 \(v3\): has more than/)
})

test('a pool that is listed, but wrongly, is not gone', async () => {
  await using a = await endpoint({ pools: [pool('wrong')] })
  await discover(a.url)
  a.says = { pools: [pool('wrong', { max_workers: 'many' })] }
  expect(await discover(a.url)).toMatchObject({ changed: [], gone: [], failed: [{ endpoint: a.url }] })
  expect(await bus.ask('pool.get', { name: 'wrong' })).toMatchObject({ max_workers: 10 })
})

test('two endpoints with the same pool: it stays with the first while that one lists it', async () => {
  await using a = await endpoint({ pools: [pool('both')] })
  await using b = await endpoint({ pools: [pool('both')] })
  expect(await discover(a.url)).toEqual({ ...NOTHING, new: ['both'] })
  expect(await discover(a.url, b.url)).toEqual(NOTHING)
  a.says = { pools: [] }
  const reply = await discover(b.url, a.url)
  expect(reply).toEqual({ ...NOTHING, changed: ['both'] })
  expect(await bus.ask('pool.get', { name: 'both' })).toMatchObject({ metadata: { discovered_from: b.url } })
})

test('a thousand pools of one endpoint', async () => {
  const names = Array.from({ length: 1_000 }, (_, i) => `t-${i}`)
  await using a = await endpoint({ pools: names.map((name) => pool(name)) })
  const reply = await discover(a.url)
  expect((reply['new'] as string[]).toSorted()).toEqual(names.toSorted())
  a.says = { pools: [] }
  expect(((await discover(a.url))['gone'] as string[]).length).toBe(1_000)
})

test('without endpoints there is nothing to discover', async () => {
  expect(await bus.ask('pool.discover', '')).toEqual(NOTHING)
})

test('the endpoints of the settings are asked at the start and at every interval', async () => {
  await using own = await fixture()
  await using a = await endpoint({ pools: [pool('auto')] })
  await using registry = await own.start({
    POOLMESH_DISCOVERY_ENDPOINTS: a.url,
    POOLMESH_CHECK_INTERVAL: '0.1',
  })
  await until(async () => (await own.ask('pool.get', { name: 'auto' }))['name'] === 'auto')
  a.says = { pools: [pool('later')] }
  await until(async () => (await own.ask('pool.get', { name: 'later' }))['name'] === 'later')
  // It is marked at once, and taken out when no executor has a task there: here there is none, which takes 15 s to be sure of.
  await until(async () => (await own.ask('pool.get', { name: 'auto' }))['draining'] === true)
  await until(
    async () => (await own.ask('pool.get', { name: 'auto' })).error?.code === 'NOT_FOUND',
    'it to go',
    40_000,
  )
  // Stopped while an endpoint hangs: it does not wait for it.
  a.says = () => {}
  const asked = a.asked.length
  await until(() => a.asked.length > asked)
  await registry[Symbol.asyncDispose]()
})

test('a service on a work subject is that pool, with the workers of all its instances, for as long as one answers', async () => {
  const instance = async (metadata: Record<string, string>) => {
    const service = await new Svcm(bus.nc).add({ name: 'tagger', version: '1.0.0', metadata })
    service.addEndpoint('run', { subject: 'pool.work.tags', queue: 'tags', handler: () => {} })
    service.addEndpoint('other', { subject: 'tagger.other', handler: () => {} })
    return service
  }
  const described = { capabilities: 'tag, translate', max_workers: '3', region: 'eu', owner: 'us' }
  const first = await instance(described)
  const second = await instance(described)
  expect(await discover('nats://services')).toEqual({ ...NOTHING, new: ['tags'] })
  expect(await bus.ask('pool.get', { name: 'tags' })).toMatchObject({
    pool_type: 'nats',
    capabilities: ['tag', 'translate'],
    max_workers: 6,
    region: 'eu',
    metadata: { owner: 'us', discovered_from: 'nats://services' },
  })
  await second.stop()
  expect(await discover('nats://services')).toEqual({ ...NOTHING, changed: ['tags'] })
  await first.stop()
  expect(await discover('nats://services')).toEqual({ ...NOTHING, gone: ['tags'] })
})

test('a service that describes itself wrongly is told of, and no pool', async () => {
  const service = await new Svcm(bus.nc).add({
    name: 'odd',
    version: '1.0.0',
    metadata: { max_workers: 'many' },
  })
  service.addEndpoint('run', { subject: 'pool.work.odd', handler: () => {} })
  const reply = await discover('nats://services')
  expect(reply).toMatchObject({ new: [], failed: [{ endpoint: 'nats://services' }] })
  await service.stop()
})
