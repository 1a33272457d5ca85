import { expect, test } from 'vitest'
import {
  cancelRequestSchema,
  fanOutSchema,
  healthHistoryRequestSchema,
  poolListRequestSchema,
  taskInputSchema,
  validate,
} from '../src/index.ts'

const faultAt = (fields: object) =>
  taskInputSchema
    .safeParse({ task_type: 'x', payload: {}, ...fields })
    .error?.issues.map((issue) => issue.path.join('.'))
const fanOutFaultAt = (fields: object) =>
  fanOutSchema
    .safeParse({ pools: ['a', 'b', 'c'], aggregation: 'quorum', ...fields })
    .error?.issues.map((issue) => issue.path.join('.'))

test.each([
  ['timeout', 1, 3600],
  ['priority', 0, 100],
  ['queue_timeout', 1, 604_800],
  ['max_attempts', 1, 20],
])('%s is %d to %d', (field, min, max) => {
  expect(faultAt({ [field]: min })).toBeUndefined()
  expect(faultAt({ [field]: max })).toBeUndefined()
  for (const over of [min - 1, max + 1, `${min}`, null, Number.NaN, Number.POSITIVE_INFINITY])
    expect(faultAt({ [field]: over })).toEqual([field])
})

test.each(['timeout', 'priority', 'max_attempts'])('%s is a whole number', (field) => {
  expect(faultAt({ [field]: 1.5 })).toEqual([field])
})

test('a task type is 1 to 128 characters, however many bytes each takes', () => {
  for (const good of ['x', 'x'.repeat(128), 'é'.repeat(128), '😀'.repeat(128)])
    expect(faultAt({ task_type: good })).toBeUndefined()
  for (const bad of ['', 'x'.repeat(129), '😀'.repeat(129), 7, null, undefined])
    expect(faultAt({ task_type: bad })).toEqual(['task_type'])
})

test('a payload is an object', () => {
  for (const bad of [undefined, null, [], 'x', 7]) expect(faultAt({ payload: bad })).toEqual(['payload'])
})

test('an unknown strategy is refused', () => {
  expect(faultAt({ routing_strategy: 'random' })).toEqual(['routing_strategy'])
  expect(faultAt({ routing_strategy: 'LEAST_LOADED' })).toEqual(['routing_strategy'])
})

test('required capabilities are strings, as many as the task asks for', () => {
  expect(faultAt({ required_capabilities: Array(10_000).fill('x') })).toBeUndefined()
  expect(faultAt({ required_capabilities: ['a', 1] })).toEqual(['required_capabilities.1'])
})

test('not_before is a time', () => {
  expect(faultAt({ not_before: '2026-11-24T04:00:00Z' })).toBeUndefined()
  for (const bad of ['tomorrow', '2026-11-24', '2026-02-30T00:00:00Z', 1_700_000_000])
    expect(faultAt({ not_before: bad })).toEqual(['not_before'])
})

test('every fault is told, with its path', () => {
  const input = { timeout: 0, pool: 'a.b', fan_out: { pools: ['ok', 'a b'], aggregation: 'all' } }
  try {
    validate(taskInputSchema, input, 'the task')
    expect.unreachable()
  } catch (error) {
    expect(error).toMatchObject({ code: 'INVALID_INPUT' })
    const paths = (error as { issues: { path: string }[] }).issues.map((issue) => issue.path)
    expect(paths.sort()).toEqual([
      'fan_out.aggregation',
      'fan_out.pools.1',
      'payload',
      'pool',
      'task_type',
      'timeout',
    ])
  }
})

test('fan_out: all pools or a list of names, one of four aggregations, 10 branches at a time', () => {
  for (const aggregation of ['first_success', 'all_success', 'majority', 'quorum'])
    expect(fanOutSchema.parse({ pools: 'all', aggregation })).toEqual({
      pools: 'all',
      aggregation,
      max_parallel: 10,
    })
  expect(fanOutFaultAt({ aggregation: 'any' })).toEqual(['aggregation'])
  for (const pools of [[], 'some', ['a.b'], null])
    expect(fanOutFaultAt({ pools })).toEqual(expect.arrayContaining([expect.stringMatching(/^pools/)]))
  expect(fanOutFaultAt({ max_parallel: 0 })).toEqual(['max_parallel'])
})

test('fan_out: a quorum is at least one and at most as many as there are pools', () => {
  expect(fanOutFaultAt({ quorum: 3 })).toBeUndefined()
  expect(fanOutFaultAt({ quorum: 0 })).toEqual(['quorum'])
  expect(fanOutFaultAt({ quorum: 4 })).toEqual(['quorum'])
  expect(fanOutFaultAt({ quorum: 3, pools: ['a', 'b', 'a'] })).toEqual(['quorum'])
  expect(fanOutFaultAt({ quorum: 99, pools: 'all' })).toBeUndefined()
  expect(fanOutFaultAt({ quorum: 4, aggregation: 'majority' })).toBeUndefined()
})

test('who asks for more than there is gets the most', () => {
  expect(poolListRequestSchema.parse({}).limit).toBe(100)
  expect(poolListRequestSchema.parse({ limit: 1_000_000 }).limit).toBe(1000)
  expect(poolListRequestSchema.safeParse({ limit: 0 }).success).toBe(false)
  expect(poolListRequestSchema.parse({ pool_type: 'session-buddy' }).pool_type).toBe('session_buddy')
  expect(healthHistoryRequestSchema.parse({ name: 'a', limit: 1000 }).limit).toBe(100)
  expect(cancelRequestSchema.parse({ task_id: 'a', reason: 'x'.repeat(5000) }).reason).toHaveLength(1024)
})
