import fc from 'fast-check'
import { expect, test } from 'vitest'
import { heartbeatSchema, isAvailable, poolDescriptorSchema, validate, withDerived } from '../src/index.ts'

const pool = (fields: object = {}) =>
  validate(poolDescriptorSchema, { name: 'p', pool_type: 'nats', ...fields }, 'the descriptor')
const faultAt = (fields: object) =>
  poolDescriptorSchema
    .safeParse({ name: 'p', pool_type: 'nats', ...fields })
    .error?.issues.map((issue) => issue.path.join('.'))

test('a pool on the bus needs a name and a type, and gets the defaults', () => {
  expect(pool()).toEqual({
    name: 'p',
    pool_type: 'nats',
    capabilities: [],
    max_workers: 10,
    current_workers: 0,
    queue_size: 0,
    health_status: 'healthy',
    region: null,
    metadata: {},
  })
})

test('derived fields: load_factor, is_available, utilization', () => {
  expect(withDerived(pool({ max_workers: 10, current_workers: 3 }))).toMatchObject({
    load_factor: 0.3,
    is_available: true,
    utilization: '30.0% (3/10)',
  })
})

test.each([
  [0, 10, '0.0% (0/10)', 0],
  [1, 3, '33.3% (1/3)', 1 / 3],
  [2, 3, '66.7% (2/3)', 2 / 3],
  [10, 10, '100.0% (10/10)', 1],
  [1, 1000, '0.1% (1/1000)', 0.001],
  [12, 10, '120.0% (12/10)', 1],
])('%d workers of %d: %s', (current_workers, max_workers, utilization, load_factor) => {
  expect(withDerived(pool({ current_workers, max_workers }))).toMatchObject({ utilization, load_factor })
})

test('the load factor stays between 0 and 1, and a full pool is not available', () => {
  fc.assert(
    fc.property(fc.nat(2000), fc.integer({ min: 1, max: 1000 }), (current_workers, max_workers) => {
      const view = withDerived(pool({ current_workers, max_workers }))
      expect(view.load_factor).toBeGreaterThanOrEqual(0)
      expect(view.load_factor).toBeLessThanOrEqual(1)
      expect(view.is_available).toBe(current_workers < max_workers)
      expect(view.utilization).toMatch(/^\d+\.\d% \(\d+\/\d+\)$/)
    }),
  )
})

test('available: healthy or degraded, not draining, with a worker free', () => {
  const of = (fields: object) => isAvailable(pool(fields))
  expect(of({ health_status: 'degraded' })).toBe(true)
  expect(of({ health_status: 'unavailable' })).toBe(false)
  expect(of({ draining: true })).toBe(false)
  expect(of({ current_workers: 10 })).toBe(false)
})

test('derived fields that were sent are overwritten, not believed', () => {
  const sent = { load_factor: 9, is_available: false, utilization: 'none' }
  expect(withDerived(pool(sent))).toMatchObject({
    load_factor: 0,
    is_available: true,
    utilization: '0.0% (0/10)',
  })
})

test('session-buddy is read as session_buddy', () => {
  expect(pool({ pool_type: 'session-buddy', endpoint: 'http://h:8678/mcp' }).pool_type).toBe('session_buddy')
})

test.each(['mahavishnu', 'session_buddy', 'kubernetes'])(
  'a pool of type %s needs an endpoint',
  (pool_type) => {
    expect(faultAt({ pool_type })).toEqual(['endpoint'])
    expect(faultAt({ pool_type, endpoint: null })).toEqual(['endpoint'])
    expect(pool({ pool_type, endpoint: 'https://host:8443/path' }).endpoint).toBe('https://host:8443/path')
  },
)

test.each([
  'not a url',
  'localhost:8000',
  'http://',
  'http://a b',
  'http://h:99999',
  'mailto:a@b.c',
  'file:///etc',
  '',
  7,
])('%j is no endpoint', (endpoint) => {
  expect(faultAt({ endpoint })).toEqual(['endpoint'])
  expect(faultAt({ endpoint, pool_type: 'mahavishnu' })).toEqual(['endpoint'])
})

test.each(['http://localhost:8000', 'https://h/a?b=c', 'http://[::1]:8000', 'nats://h:4222', 'grpc://h:1'])(
  '%s is an endpoint',
  (endpoint) => {
    expect(pool({ endpoint }).endpoint).toBe(endpoint)
  },
)

test.each([
  ['max_workers', 0],
  ['max_workers', -1],
  ['max_workers', 1.5],
  ['max_workers', '10'],
  ['current_workers', -1],
  ['queue_size', -1],
  ['health_status', 'ill'],
  ['pool_type', 'dask'],
  ['region', 7],
  ['metadata', []],
  ['capabilities', 'python'],
])('%s: %j is refused', (field, value) => {
  expect(faultAt({ [field]: value })).toEqual([field])
})

test('a pool has at most 64 capabilities', () => {
  const capabilities = (n: number) => Array.from({ length: n }, (_, i) => `c${i}`)
  expect(pool({ capabilities: capabilities(64) }).capabilities).toHaveLength(64)
  expect(faultAt({ capabilities: capabilities(65) })).toEqual(['capabilities'])
  expect(faultAt({ capabilities: capabilities(10_000) })).toEqual(['capabilities'])
  expect(faultAt({ capabilities: ['a', 7] })).toEqual(['capabilities.1'])
})

test('unknown fields of a pool are kept, one named __proto__ too', () => {
  const text =
    '{"name":"p","pool_type":"nats","cost":{"tier":2},"constructor":1,"__proto__":{"polluted":1},"metadata":{"__proto__":{"polluted":1}}}'
  const parsed = withDerived(validate(poolDescriptorSchema, JSON.parse(text), 'the descriptor'))
  expect(JSON.parse(JSON.stringify(parsed))).toEqual(parsed)
  expect(JSON.stringify(parsed)).toContain('"__proto__":{"polluted":1}')
  expect(JSON.stringify(parsed.metadata)).toBe('{"__proto__":{"polluted":1}}')
  expect(parsed).toMatchObject({ cost: { tier: 2 }, constructor: 1 })
  for (const made of [parsed, parsed.metadata, {}])
    expect((made as { polluted?: unknown }).polluted).toBeUndefined()
  expect(Object.getPrototypeOf(parsed)).toBe(Object.prototype)
})

test('a heartbeat has counts', () => {
  expect(heartbeatSchema.parse({ current_workers: 3 })).toEqual({ current_workers: 3, queue_size: 0 })
  expect(heartbeatSchema.safeParse({ current_workers: -1 }).success).toBe(false)
  expect(heartbeatSchema.safeParse({ queue_size: 1 }).success).toBe(false)
})
