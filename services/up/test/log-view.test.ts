import { expect, test } from 'vitest'
import { readableLine } from '../src/log-view.ts'

const event = (fields: object): string =>
  JSON.stringify({ level: 40, time: '2030-01-02T03:04:05.678Z', service: 'executor', ...fields })

test('an event is one line with its fields', () => {
  const line = event({ pid: 1, task_id: 't-1', pool_name: 'text', count: 3, msg: 'pool is gone' })
  expect(readableLine(line, 'info')).toBe(
    '03:04:05.678 WARN  executor: pool is gone task_id=t-1 pool_name=text count=3',
  )
})

test('an error is shown by its message, on the same line', () => {
  const line = event({ level: 50, msg: 'unexpected failure', err: { message: 'two\nlines', stack: 'long' } })
  expect(readableLine(line, 'info')).toBe(
    String.raw`03:04:05.678 ERROR executor: unexpected failure error="two\nlines"`,
  )
})

test('what is less severe than asked for is left out', () => {
  expect(readableLine(event({ level: 30, msg: 'ready' }), 'warn')).toBeNull()
  expect(readableLine(event({ msg: 'careful' }), 'warn')).not.toBeNull()
})

test('what is no log event is passed on as it is', () => {
  for (const line of ['Error: out of memory', '{"no":"event"}', '{broken', '[1]', ''])
    expect(readableLine(line, 'warn')).toBe(line)
})
