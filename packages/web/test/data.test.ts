import { describe, expect, test } from 'vitest'
import { EventParser } from '../app/data/event-stream.ts'
import { check, resolver, type Schema } from '../app/data/schema.ts'
import { draft } from '../app/data/task-form.ts'
import type { Overview } from '../app/data/types.ts'
import { verdictOf } from '../app/data/verdict.ts'
import { brief, visible } from '../app/parts/format.ts'

const WELL: Overview = {
  now: '2030-01-01T00:00:00Z',
  rates: { submitted: 10, completed: 10, failed: 0 },
  latency_ms: { p50: 1, p95: 2, p99: 3 },
  backlog: [],
  pools: { total: 3, healthy: 3, degraded: 0, unhealthy: 0 },
  slots: { total: 30, used: 3 },
  executors: 1,
  alerts: [],
  history: [],
}

describe('events', () => {
  const text =
    ': keep-alive\n\nretry: 10\n\nid: a-1-0\nevent: pools\ndata: {"a":\ndata: 1}\n\nid: a-2-0\r\ndata: x\r\n\r\n'
  const whole = [
    { id: 'a-1-0', event: 'pools', data: '{"a":\n1}' },
    { id: 'a-2-0', event: 'message', data: 'x' },
  ]
  test('are the same wherever the text is cut', () => {
    for (let size = 1; size <= text.length; size++) {
      const parser = new EventParser()
      const found = []
      for (let at = 0; at < text.length; at += size) found.push(...parser.push(text.slice(at, at + size)))
      expect(found).toEqual(whole)
    }
  })
})

describe('the verdict', () => {
  test('is good where everything answers', () => {
    expect(verdictOf(WELL, { ready: true, parts: { nats: 'up', executor: 'up' } }, true)).toMatchObject({
      level: 'good',
      findings: [],
    })
  })
  test('names what is broken before what is a concern', () => {
    const pools = { total: 3, healthy: 1, degraded: 1, unhealthy: 1 }
    const { level, findings } = verdictOf({ ...WELL, pools }, null, true)
    expect(level).toBe('bad')
    expect(findings.map((finding) => finding.level)).toEqual(['bad', 'warn'])
    expect(findings[0]?.to).toBe('/pools?health=unavailable')
  })
  test('blames the broker alone where nobody can answer without it', () => {
    const parts = { nats: 'down', registry: 'down', executor: 'down' } as const
    expect(verdictOf(WELL, { ready: false, parts }, true).findings).toHaveLength(1)
  })
  test('sees that much fails', () => {
    const rates = { submitted: 10, completed: 5, failed: 5 }
    expect(verdictOf({ ...WELL, rates }, null, true).findings[0]?.text).toContain('50 %')
  })
})

describe('the form', () => {
  const document = {
    components: {
      schemas: {
        Task: {
          type: 'object',
          required: ['task_type'],
          properties: {
            task_type: { type: 'string', minLength: 1, maxLength: 5 },
            priority: { type: 'integer', minimum: 0, maximum: 100 },
            pool: { anyOf: [{ type: 'string', pattern: '^[a-z]+$' }, { type: 'null' }] },
            tags: { type: 'array', items: { type: 'string' } },
          },
        },
      },
    },
  }
  const wrong = (value: unknown) =>
    check({ $ref: '#/components/schemas/Task' } as Schema, value, resolver(document)).map(({ path }) => path)
  test('checks by the schema', () => {
    expect(wrong({ task_type: 'a', priority: 5, pool: 'x', tags: ['b'] })).toEqual([])
    expect(wrong({ task_type: '😀😀😀😀😀' })).toEqual([])
    expect(wrong({})).toEqual(['task_type'])
    expect(wrong({ task_type: 'toolong', priority: 1.5, pool: 'X Y', tags: [1] })).toEqual([
      'task_type',
      'priority',
      'pool',
      'tags.0',
    ])
    expect(wrong([])).toEqual([''])
  })
  test('leaves out what is empty, and says what cannot be read', () => {
    expect(
      draft({ task_type: ' a ', payload: '{"b":1}', required_capabilities: 'x, ,y', priority: '' }).task,
    ).toEqual({
      task_type: 'a',
      payload: { b: 1 },
      required_capabilities: ['x', 'y'],
    })
    expect(draft({ payload: '{', priority: 'x' }).wrong.map(({ path }) => path)).toEqual([
      'payload',
      'priority',
    ])
  })
})

test('characters that nobody sees are shown', () => {
  expect(visible('a\u202Eb\u0000c\nd')).toBe('a[U+202E]b[U+0000]c\nd')
  expect(brief('x'.repeat(100_000))).toHaveLength(201)
})
