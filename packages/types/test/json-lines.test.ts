import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseLines, printLines } from '../src/index.ts'

test('what is printed in lines is the array that it is, and comes back with its texts', () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue(), { minLength: 1, maxLength: 8 }), (values) => {
      const texts = values.map((value) => JSON.stringify(value))
      const text = printLines(texts)
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(values)))
      expect(parseLines(text)).toEqual({ values: JSON.parse(text), texts })
    }),
  )
})

test('any text either is not in lines, or is JSON with just these items', () => {
  const part = fc.constantFrom(
    '[',
    ']',
    '{',
    '}',
    ',',
    '\n',
    ',\n',
    '1',
    '"a"',
    '"',
    '"\n"',
    '{"a":1}',
    ' ',
    'x',
  )
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      for (const text of [parts.join(''), `[${parts.join('')}]`]) {
        const lines = parseLines(text)
        if (lines) expect(lines.values).toEqual(JSON.parse(text))
      }
    }),
    { numRuns: 20_000 },
  )
})

test.each([
  ['an empty array', '[]'],
  ['an object', '{"a":1}'],
  ['a line that is no JSON', '[1,\nx]'],
  ['one that is nested too deep', `[${'['.repeat(600)}${']'.repeat(600)},\n1]`],
])('%s is not taken for lines', (_, text) => {
  expect(parseLines(text)).toBeNull()
})
