import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  completeTask,
  PoolmeshError,
  parsePoolAnswer,
  parseTask,
  poolAnswerSchema,
  taskInputSchema,
  taskSchema,
} from '../src/index.ts'
import { answerFields, nearValid, taskFields } from './near-valid.ts'

const ownProto = (value: unknown) => Object.getOwnPropertyDescriptor(Object(value), '__proto__')?.value

/** Both must have been seen often, or the property has proved nothing. */
function seenBoth(accepted: number, refused: number) {
  expect(accepted).toBeGreaterThan(500)
  expect(refused).toBeGreaterThan(500)
}

test('parseTask accepts exactly what the schema accepts, and fills in the same', () => {
  const seen = { true: 0, false: 0 }
  fc.assert(
    fc.property(nearValid(taskFields, ['task_type', 'payload']), (input) => {
      const bySchema = taskInputSchema.safeParse(input)
      const byHand = parseTask(input, { taskId: 'given', defaultStrategy: 'affinity' })
      expect(byHand.ok).toBe(bySchema.success)
      seen[`${bySchema.success}`]++
      if (!byHand.ok || !bySchema.success) return
      expect(ownProto(byHand.task)).toEqual(ownProto(input))
      expect(Object.getPrototypeOf(byHand.task)).toBe(Object.prototype)
      expect(taskSchema.safeParse(byHand.task).success).toBe(true)
      const { ['__proto__']: _, ...task } = byHand.task as Record<string, unknown>
      expect(task).toEqual(completeTask(bySchema.data, bySchema.data.task_id ?? 'given', 'affinity'))
    }),
    { numRuns: 5000 },
  )
  seenBoth(seen.true, seen.false)
})

test('parsePoolAnswer accepts exactly what the schema accepts', () => {
  const seen = { true: 0, false: 0 }
  fc.assert(
    fc.property(nearValid(answerFields, ['status']), (input) => {
      const bySchema = poolAnswerSchema.safeParse(input)
      const byHand = parsePoolAnswer(input)
      expect(byHand.ok).toBe(bySchema.success)
      seen[`${bySchema.success}`]++
      if (!byHand.ok || !bySchema.success) return
      expect(ownProto(byHand.answer)).toEqual(ownProto(input))
      const { ['__proto__']: _, ...answer } = byHand.answer as Record<string, unknown>
      expect(answer).toEqual(bySchema.data)
    }),
    { numRuns: 3000 },
  )
  seenBoth(seen.true, seen.false)
})

test('a task gets its defaults, and its queue_timeout from its timeout', () => {
  const parsed = parseTask({ task_id: 'a', task_type: 'x', payload: {}, timeout: 60, colour: 'red' })
  expect(parsed).toEqual({
    ok: true,
    task: {
      task_id: 'a',
      task_type: 'x',
      payload: {},
      required_capabilities: [],
      routing_strategy: 'least_loaded',
      timeout: 60,
      priority: 5,
      metadata: {},
      queue_timeout: 60,
      max_attempts: 1,
      idempotent: false,
      colour: 'red',
    },
  })
})

test('the input’s own id and strategy win over the options', () => {
  const input = { task_id: 'own', task_type: 'x', payload: {}, routing_strategy: 'round_robin' }
  const parsed = parseTask(input, { taskId: 'given', defaultStrategy: 'affinity' })
  expect(parsed.ok && [parsed.task.task_id, parsed.task.routing_strategy]).toEqual(['own', 'round_robin'])
})

test.each([{}, { fan_out: { pools: 'all', aggregation: 'majority' } }])(
  'a task without an id from either side is refused at task_id: %j',
  (extra) => {
    const parsed = parseTask({ task_type: 'x', payload: {}, ...extra })
    expect(parsed.ok === false && parsed.error).toBeInstanceOf(PoolmeshError)
    expect(parsed.ok === false && parsed.error.toRefusal()).toEqual({
      error: {
        code: 'INVALID_INPUT',
        message: 'the task is not valid at task_id: is missing',
        issues: [{ path: 'task_id', message: 'is missing' }],
      },
    })
  },
)

test('parseTask leaves its input as it was', () => {
  const input = Object.freeze({
    task_type: 'x',
    payload: {},
    fan_out: Object.freeze({ pools: 'all', aggregation: 'majority' }),
  })
  const parsed = parseTask(input, { taskId: 'a' })
  expect(parsed.ok && parsed.task.fan_out).toEqual({
    pools: 'all',
    aggregation: 'majority',
    max_parallel: 10,
  })
  expect(Object.keys(input)).toEqual(['task_type', 'payload', 'fan_out'])
})

test('a payload with __proto__ and constructor keys passes through unharmed', () => {
  const text =
    '{"task_id":"a","task_type":"x","payload":{"__proto__":{"polluted":1},"constructor":{"prototype":1}},"metadata":{"__proto__":{"polluted":1}},"__proto__":{"polluted":1}}'
  const parsed = parseTask(JSON.parse(text))
  expect(parsed.ok).toBe(true)
  if (!parsed.ok) return
  expect(JSON.stringify(parsed.task.payload)).toBe(
    '{"__proto__":{"polluted":1},"constructor":{"prototype":1}}',
  )
  expect(JSON.stringify(parsed.task.metadata)).toBe('{"__proto__":{"polluted":1}}')
  expect(JSON.parse(JSON.stringify(parsed.task))).toEqual(parsed.task)
  for (const made of [parsed.task, parsed.task.payload, parsed.task.metadata, {}])
    expect((made as { polluted?: unknown }).polluted).toBeUndefined()
})
