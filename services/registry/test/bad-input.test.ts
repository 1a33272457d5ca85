import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Fixture, fixture } from './fixture.ts'

let bus: Fixture
let registry: AsyncDisposable
beforeAll(async () => {
  bus = await fixture()
  registry = await bus.start()
})
afterAll(async () => {
  await registry[Symbol.asyncDispose]()
  await bus[Symbol.asyncDispose]()
})

const pool = (fields: object): object => ({ name: 'p', pool_type: 'nats', ...fields })

test.each<[string, unknown, string]>([
  ['no workers', pool({ max_workers: 0 }), 'max_workers'],
  ['half a worker', pool({ max_workers: 1.5 }), 'max_workers'],
  ['fewer than no tasks', pool({ current_workers: -1 }), 'current_workers'],
  ['a queue of text', pool({ queue_size: '1' }), 'queue_size'],
  ['no URL', pool({ pool_type: 'mahavishnu', endpoint: 'localhost:8000' }), 'endpoint'],
  ['no endpoint', pool({ pool_type: 'kubernetes' }), 'endpoint'],
  ['65 capabilities', pool({ capabilities: Array(65).fill('c') }), 'capabilities'],
  [
    '10,000 capabilities',
    pool({ capabilities: Array.from({ length: 10_000 }, (_, i) => `c${i}`) }),
    'capabilities',
  ],
  ['a capability of a number', pool({ capabilities: ['a', 3] }), 'capabilities.1'],
  ['an unknown type', pool({ pool_type: 'slurm' }), 'pool_type'],
  ['an unknown status', pool({ health_status: 'fine' }), 'health_status'],
  ['metadata of a list', pool({ metadata: [] }), 'metadata'],
  ['a region of a number', pool({ region: 7 }), 'region'],
  ['no name', { pool_type: 'nats' }, 'name'],
  ...['a.b', 'a b', '*', '>', '', 'x'.repeat(65), 'ü', 'a\n'].map((name): [string, unknown, string] => [
    `the name ${JSON.stringify(name)}`,
    pool({ name }),
    'name',
  ]),
])('a descriptor with %s is refused with the place', async (_, body, path) => {
  const reply = await bus.ask('pool.register', body)
  expect(reply.error).toMatchObject({ code: 'INVALID_INPUT', issues: [{ path }] })
})

test.each([
  ['pool.register', '', 'INVALID_INPUT'],
  ['pool.register', '{"name":', 'INVALID_JSON'],
  ['pool.register', '[]', 'INVALID_INPUT'],
  ['pool.register', 'null', 'INVALID_INPUT'],
  ['pool.register', '"p"', 'INVALID_INPUT'],
  ['pool.get', '{"name":"a.b"}', 'INVALID_INPUT'],
  ['pool.get', '{"name":"unknown"}', 'NOT_FOUND'],
  ['pool.get', '\xff', 'INVALID_JSON'],
  ['pool.deregister', '{"name":">"}', 'INVALID_INPUT'],
  ['pool.deregister', '{"name":"p","drain":"yes"}', 'INVALID_INPUT'],
  ['pool.list', '{"limit":0}', 'INVALID_INPUT'],
  ['pool.list', '{"pool_type":"slurm"}', 'INVALID_INPUT'],
  ['pool.list', '{"cursor":"made up"}', 'INVALID_INPUT'],
  ['pool.list', '{"cursor":7}', 'INVALID_INPUT'],
  ['pool.stats', '[1]', 'INVALID_INPUT'],
  ['pool.discover', '{"endpoints":["nowhere"]}', 'INVALID_INPUT'],
])('%s with %j is refused: %s', async (subject, text, code) => {
  expect((await bus.ask(subject, text)).error?.code).toBe(code)
})

test('a refusal has the headers of NATS services', async () => {
  const reply = await bus.nc.request('pool.register', '{"name":"a.b","pool_type":"nats"}')
  expect(reply.headers?.get('Nats-Service-Error-Code')).toBe('400')
  expect(reply.headers?.get('Nats-Service-Error')).toMatch(/name/)
})

test('keys named __proto__ are fields like others, and change nobody’s prototype', async () => {
  const text =
    '{"name":"proto","pool_type":"nats","metadata":{"__proto__":{"x":1},"constructor":2},"__proto__":{"polluted":true}}'
  await bus.ask('pool.register', text)
  const reply = (await bus.nc.request('pool.get', '{"name":"proto"}')).string()
  expect(reply).toContain('"metadata":{"__proto__":{"x":1},"constructor":2}')
  expect(reply).toContain('"__proto__":{"polluted":true}')
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  expect((await bus.ask('pool.get', '{"__proto__":{"name":"proto"}}')).error?.code).toBe('INVALID_INPUT')
})

test('a descriptor that could not be sent back is refused', async () => {
  const most = bus.nc.info!.max_payload
  const reply = await bus.ask(
    'pool.register',
    pool({ name: 'large', metadata: { text: 'x'.repeat(most - 1_000) } }),
  )
  expect(reply.error?.code).toBe('INVALID_INPUT')
  const nearly = await bus.ask(
    'pool.register',
    pool({ name: 'large', metadata: { text: 'x'.repeat(most - 6_000) } }),
  )
  expect(nearly['name']).toBe('large')
  expect(await bus.ask('pool.list', {})).toHaveProperty('pools')
  await bus.ask('pool.deregister', { name: 'large' })
})

test('requests without a reply subject do nothing harmful', async () => {
  bus.nc.publish('pool.register', 'nonsense')
  bus.nc.publish('pool.get', '{"name":"unknown"}')
  expect(await bus.ask('pool.register', pool({ name: 'after' }))).toMatchObject({ name: 'after' })
})
