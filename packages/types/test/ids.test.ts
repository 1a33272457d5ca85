import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  batchOfTaskId,
  cancelSubject,
  completedSubject,
  healthSubject,
  heartbeatSubject,
  idSchema,
  isId,
  laneOf,
  poolDescriptorSchema,
  SUBJECTS,
  submittedSubject,
  taskIdInBatch,
  taskInputSchema,
  workSubject,
} from '../src/index.ts'

const ALPHABET = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-']
const validId = fc.string({ unit: fc.constantFrom(...ALPHABET), minLength: 1, maxLength: 64 })

test.each(['a', 'A', '0', '_', '-', '__proto__', 'constructor', 'x'.repeat(64)])('%j is an id', (id) => {
  expect(isId(id)).toBe(true)
  expect(taskInputSchema.safeParse({ task_id: id, task_type: 'x', payload: {} }).success).toBe(true)
  expect(poolDescriptorSchema.safeParse({ name: id, pool_type: 'nats' }).success).toBe(true)
})

test.each([
  ...[
    '',
    'a.b',
    '.',
    'a b',
    ' a',
    'a ',
    '*',
    'a*',
    '>',
    'x'.repeat(65),
    'é',
    '名前',
    '😀',
    'a\n',
    'a\u0000',
    'a/b',
    'a$b',
  ],
  ...[7, null, {}, ['a'], true],
])('%j is no id', (id) => {
  expect(isId(id)).toBe(false)
  const task = taskInputSchema.safeParse({ task_id: id, task_type: 'x', payload: {} })
  expect(task.error?.issues[0]?.path).toEqual(['task_id'])
  const pool = poolDescriptorSchema.safeParse({ name: id, pool_type: 'nats' })
  expect(pool.error?.issues[0]?.path).toEqual(['name'])
})

test('an id is 1 to 64 characters of its alphabet and nothing else, and one token of a subject', () => {
  fc.assert(
    fc.property(fc.oneof(validId, fc.string({ maxLength: 70 }), fc.string({ unit: 'binary' })), (id) => {
      const expected = id.length >= 1 && id.length <= 64 && [...id].every((c) => ALPHABET.includes(c))
      expect(isId(id)).toBe(expected)
      expect(idSchema.safeParse(id).success).toBe(expected)
      if (expected) expect(submittedSubject('low', id).split('.')).toHaveLength(4)
    }),
  )
})

test('the batch of a task in a batch is found in its id', () => {
  fc.assert(
    fc.property(validId, fc.integer({ min: 0, max: 199 }), (batch, index) => {
      expect(batchOfTaskId(taskIdInBatch(batch, index))).toBe(batch)
    }),
  )
})

test.each([
  ['b-0', 'b'],
  ['b-199', 'b'],
  ['a-7-3', 'a-7'],
  ['b-200', null],
  ['b-007', null],
  ['b', null],
  ['-3', null],
  ['01977a3c-4e0b-7d63-9e26-123456789012', null],
])('the batch of %j is %j', (id, batch) => {
  expect(batchOfTaskId(id)).toBe(batch)
})

test('lanes: urgent 50–100, high 10–49, normal 5–9, low 0–4', () => {
  const lanes = [0, 4, 5, 9, 10, 49, 50, 100].map(laneOf)
  expect(lanes).toEqual(['low', 'low', 'normal', 'normal', 'high', 'high', 'urgent', 'urgent'])
})

test('subjects are those of the contract', () => {
  expect(Object.values(SUBJECTS)).toEqual([
    'task.submitted',
    'task.completed',
    'task.rejected',
    'task.result',
    'task.status',
    'task.cancel',
    'task.explain',
    'task.distribute',
    'pool.register',
    'pool.deregister',
    'pool.registered',
    'pool.deregistered',
    'pool.unhealthy',
    'pool.recovered',
    'pool.list',
    'pool.get',
    'pool.stats',
    'pool.discover',
    'pool.scalable',
    'health.check',
    'health.history',
    'health.stats',
    'executor.stats',
    'dead.list',
    'dead.get',
    'dead.retry',
    'dead.purge',
    'memory.search',
  ])
  expect(submittedSubject('urgent', 'a')).toBe('task.submitted.urgent.a')
  expect(completedSubject('a')).toBe('task.completed.a')
  const ofPool = [workSubject, cancelSubject, healthSubject, heartbeatSubject].map((subject) => subject('p'))
  expect(ofPool).toEqual(['pool.work.p', 'pool.cancel.p', 'pool.health.p', 'pool.heartbeat.p'])
})
