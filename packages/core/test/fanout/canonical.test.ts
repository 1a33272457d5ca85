import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalJson, outputDigest } from '../../src/fanout/canonical.ts'

/** The same value with its keys in another order. */
function reordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reordered)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, inner]) => [key, reordered(inner)]),
  )
}

test('the order of keys makes no difference, anything else does', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
      expect(canonicalJson(reordered(a))).toBe(canonicalJson(a))
      expect(JSON.parse(canonicalJson(a))).toEqual(JSON.parse(JSON.stringify(a)))
      const same = canonicalJson(a) === canonicalJson(b)
      expect(outputDigest(a) === outputDigest(b)).toBe(same)
      if (same) expect(JSON.parse(JSON.stringify(a))).toEqual(JSON.parse(JSON.stringify(b)))
    }),
  )
})

test('prints as RFC 8785 has it', () => {
  const value = JSON.parse(
    '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001,-0],"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false],"e":{},"d":[]}',
  )
  expect(canonicalJson(value)).toBe(
    '{"d":[],"e":{},"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27,0],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  )
})

test('keys are sorted by UTF-16 code units', () => {
  const keys = ['\u20ac', '\r', '\ufb33', '1', '\ud83d\ude00', '\u0080', '\u00f6', '10', '2']
  const object = Object.fromEntries(keys.map((key) => [key, 0]))
  expect(Object.keys(JSON.parse(canonicalJson(object), (_, value) => value)).length).toBe(keys.length)
  expect(
    [...canonicalJson(object).matchAll(/"((?:[^"\\]|\\.)*)":/g)].map((match) => JSON.parse(`"${match[1]}"`)),
  ).toEqual(['\r', '1', '10', '2', '\u0080', '\u00f6', '\u20ac', '\ud83d\ude00', '\ufb33'])
})

test('a key named __proto__ counts', () => {
  expect(canonicalJson(JSON.parse('{"__proto__":{"a":1}}'))).toBe('{"__proto__":{"a":1}}')
})

test('what is nested deeper than the stack is high is printed all the same', () => {
  const depth = 200_000
  const text = '['.repeat(depth) + ']'.repeat(depth)
  expect(canonicalJson(JSON.parse(text))).toBe(text)
})
