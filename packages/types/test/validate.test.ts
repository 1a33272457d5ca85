import { expect, test } from 'vitest'
import { MAX_JSON_DEPTH, parseJson, parseTask } from '../src/index.ts'

const nested = (depth: number, open = '[', close = ']', middle = ''): string =>
  `${open.repeat(depth)}${middle}${close.repeat(depth)}`

test('JSON is taken up to the greatest depth, and refused beyond', () => {
  for (const [open, close, middle] of [
    ['[', ']', ''],
    ['{"a":', '}', '1'],
    [' [\n', ' ]', ''],
  ] as const) {
    expect(() => parseJson(nested(MAX_JSON_DEPTH, open, close, middle), 'it')).not.toThrow()
    expect(() => parseJson(nested(MAX_JSON_DEPTH + 1, open, close, middle), 'it')).toThrow('nested deeper')
  }
})

test('brackets in strings are no depth, whatever is escaped before the quote', () => {
  for (const text of [
    nested(5_000),
    `${'['.repeat(5_000)}"`,
    `${'['.repeat(5_000)}\\`,
    `\\"${'{'.repeat(5_000)}\\\\"`,
  ])
    expect(parseJson(JSON.stringify({ text, after: [text] }), 'it')).toEqual({ text, after: [text] })
})

test('many brackets beside each other are no depth', () => {
  const wide = Array.from({ length: 5_000 }, () => [{}])
  expect(parseJson(JSON.stringify(wide), 'it')).toEqual(wide)
})

test('depth after a string that ends in backslashes is seen', () => {
  const text = `["\\\\",${nested(MAX_JSON_DEPTH)}]`
  expect(() => parseJson(text, 'it')).toThrow('nested deeper')
})

test('what is not JSON is said so first', () => {
  expect(() => parseJson('['.repeat(5_000), 'it')).toThrow('it is not JSON')
})

test('an id that was made elsewhere has to be one', () => {
  const task = { task_type: 'x', payload: {} }
  for (const taskId of ['x'.repeat(65), 'a.b', ''])
    expect(parseTask(task, { taskId })).toMatchObject({
      ok: false,
      error: { code: 'INVALID_INPUT', issues: [{ path: 'task_id' }] },
    })
  expect(parseTask(task, { taskId: 'x'.repeat(64) })).toMatchObject({ ok: true })
})
