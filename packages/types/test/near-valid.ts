import fc from 'fast-check'

// Inputs one, two or three faults away from a valid one: values at and just over every border, and any JSON at all.
const json = fc.jsonValue({ maxDepth: 1 })
const object = fc.constantFrom({}, { a: 1 }, JSON.parse('{"__proto__":{"polluted":true},"constructor":1}'))
const anyObject = fc.constantFrom({}, [], null, 'x', undefined)
const int = fc.constantFrom<unknown>(
  ...[0, 1, 20, 21, 100, 101, 3600, 3601, 604_800, 604_801, -1, 1.5, 2 ** 53, Number.NaN],
  ...[Number.POSITIVE_INFINITY, '5', null, undefined],
)
const goodId = fc.constantFrom('a', 'A_b-9', 'x'.repeat(64), '__proto__')
const anyId = fc.constantFrom('', 'x'.repeat(65), 'a.b', 'a b', '*', '>', 'é', 'a\n', null, undefined)
const fanOut = fc.record(
  {
    pools: fc.constantFrom('all', 'some', [], ['a'], ['a', 'b', 'a'], ['a.b']),
    aggregation: fc.constantFrom('first_success', 'all_success', 'majority', 'quorum', 'some'),
    quorum: int,
    max_parallel: int,
  },
  { requiredKeys: ['pools', 'aggregation'], noNullPrototype: true },
)
const goodFanOut = fc.constantFrom(
  { pools: 'all', aggregation: 'majority' },
  { pools: ['a', 'b'], aggregation: 'quorum', quorum: 2, max_parallel: 1, extra: true },
)

export type Field = [valid: fc.Arbitrary<unknown>, odd: fc.Arbitrary<unknown>]
export const taskFields: Record<string, Field> = {
  task_id: [goodId, anyId],
  task_type: [
    fc.constantFrom('x', 'x'.repeat(128), '😀'.repeat(128)),
    fc.constantFrom('', 'x'.repeat(129), '😀'.repeat(129), '😀'.repeat(65), 7),
  ],
  payload: [object, anyObject],
  required_capabilities: [
    fc.constantFrom([], ['python'], Array(10_000).fill('x')),
    fc.constantFrom(['a', 1], [null], {}, 'python', null, undefined),
  ],
  routing_strategy: [
    fc.constantFrom('least_loaded', 'round_robin', 'capability_based', 'region_aware', 'affinity'),
    fc.constantFrom('LEAST_LOADED', 'random', '', null, undefined),
  ],
  timeout: [fc.integer({ min: 1, max: 3600 }), int],
  priority: [fc.integer({ min: 0, max: 100 }), int],
  metadata: [object, anyObject],
  queue_timeout: [fc.double({ min: 1, max: 604_800, noNaN: true }), int],
  max_attempts: [fc.integer({ min: 1, max: 20 }), int],
  idempotent: [fc.boolean(), fc.constantFrom('true', 1, null, undefined)],
  not_before: [
    fc.constantFrom('2026-11-24T04:00:00Z', '2026-11-24T04:00:00.123456789+02:00', null),
    fc.constantFrom('2026-02-30T00:00:00Z', '2026-11-24T04:00Z', '2026-11-24', 'soon', '', 0, undefined),
  ],
  pool: [goodId, anyId],
  fan_out: [goodFanOut, fc.oneof(fanOut, fc.constantFrom(null, undefined))],
  unknown_field: [json, json],
  constructor: [json, json] as Field,
  ['__proto__']: [json, json],
}
export const answerFields: Record<string, Field> = {
  task_id: [goodId, anyId],
  pool_name: [json, json],
  status: [
    fc.constantFrom('completed', 'failed', 'timeout', 'cancelled'),
    fc.constantFrom('running', 'pending', 'done', null),
  ],
  output: [object, anyObject],
  error: [fc.constantFrom('boom', '', null), fc.constantFrom({ message: 'boom' }, 7, undefined)],
  duration: [fc.double({ min: 0, max: 1e6, noNaN: true }), int],
  metadata: [object, anyObject],
  attempt: [json, json],
  ['__proto__']: [json, json],
}

export const poolFields: Record<string, Field> = {
  name: [goodId, anyId],
  pool_type: [
    fc.constantFrom('nats', 'mahavishnu', 'session_buddy', 'session-buddy', 'kubernetes'),
    fc.constantFrom('dask', 'NATS', '', null),
  ],
  endpoint: [
    fc.constantFrom('http://h:8000', 'https://h/mcp?a=b', 'grpc://h'),
    fc.constantFrom(null, 7, undefined),
  ],
  capabilities: [
    fc.constantFrom([], [''], Array(64).fill('x')),
    fc.constantFrom(Array(65).fill('x'), Array(10_000).fill('x'), ['a', 1], 'python', null),
  ],
  max_workers: [fc.integer({ min: 1 }), int],
  current_workers: [fc.nat(), int],
  queue_size: [fc.nat(), int],
  health_status: [fc.constantFrom('healthy', 'degraded', 'unavailable'), fc.constantFrom('ill', '', null)],
  region: [fc.constantFrom('us-east-1', '', null), fc.constantFrom(7, undefined)],
  metadata: [object, anyObject],
  unknown_field: [json, json],
}

const set = (target: object, key: string, value: unknown) =>
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true })

/** @param required the fields that a valid one always has */
export function nearValid(fields: Record<string, Field>, required: string[]): fc.Arbitrary<unknown> {
  const keys = Object.keys(fields)
  const valid = fc.tuple(
    ...keys.map((key) =>
      required.includes(key)
        ? fields[key]![0].map((value) => [value])
        : fc.option(fields[key]![0].map((v) => [v])),
    ),
  )
  const fault = fc
    .constantFrom(...keys)
    .chain((key) => fc.oneof(fields[key]![1], json).map((value) => ({ key, value })))
  const missing = fc.constantFrom(...required).map((key) => ({ key, missing: true }))
  const faults = fc.oneof(
    { weight: 4, arbitrary: fc.constant([]) },
    { weight: 8, arbitrary: fc.array(fc.oneof({ weight: 9, arbitrary: fault }, missing), { maxLength: 3 }) },
  )
  const record = fc.tuple(valid, faults).map(([values, changes]) => {
    const made: Record<string, unknown> = {}
    for (const [i, value] of values.entries()) if (value) set(made, keys[i]!, value[0])
    for (const change of changes)
      if ('missing' in change) delete made[change.key]
      else set(made, change.key, change.value)
    return made
  })
  return fc.oneof({ weight: 20, arbitrary: record }, json, fc.constantFrom(undefined, [], new Date(0)))
}
