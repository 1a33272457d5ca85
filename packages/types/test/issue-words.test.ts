import { expect, test } from 'vitest'
import * as z from 'zod'
import { issuesOf } from '../src/index.ts'

const whole = z.int().min(1).max(10)
test.each([
  ['a number that is too small', whole, 0, 'must be at least 1'],
  ['one that is too large', whole, 11, 'must be at most 10'],
  ['one with a fraction', whole, 1.5, 'must be a whole number'],
  ['one that has to be more', z.number().gt(0), 0, 'must be more than 0'],
  ['one that has to be less', z.number().lt(1), 1, 'must be less than 1'],
  ['no number', z.number(), Number('x'), 'must be a number'],
  ['another type', z.number(), 'x', 'must be a number, not a string'],
  ['null', z.string(), null, 'must be a string, not null'],
  ['nothing', z.string(), undefined, 'is missing: it must be a string'],
  ['no flag', z.boolean(), [], 'must be true or false, not an array'],
  ['no object', z.record(z.string(), z.unknown()), 7, 'must be an object, not a number'],
  ['one of several', z.enum(['a', 'b']), 'c', 'must be one of a, b'],
  ['one value', z.literal('a'), 'c', 'must be a'],
  ['text that is too short', z.string().min(1), '', 'must have at least 1 character'],
  ['a list that is too long', z.array(z.int()).max(2), [1, 2, 3], 'must have at most 2 entries'],
  ['a list of another length', z.array(z.int()).length(1), [], 'must have exactly 1 entry'],
  ['a multiple', z.number().multipleOf(5), 7, 'must be a multiple of 5'],
  ['an unknown field', z.strictObject({}), { a: 1, b: 2 }, 'has what is not known here: a, b'],
  ['no URL', z.url(), 'x', 'must be a valid URL'],
  ['a pattern', z.string().regex(/^a$/), 'b', 'must match pattern /^a$/'],
  ['words of the schema’s own', z.string().regex(/^a$/, 'must be the letter a'), 'b', 'must be the letter a'],
])('%s', (_, schema, value, words) => {
  const { error } = schema.safeParse(value)
  expect(error && issuesOf(error)).toEqual([{ path: '', message: words }])
})
