// The JSON Schemas are read by another implementation here, as they are by users of other languages.
import { Ajv } from 'ajv'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EXAMPLES } from '../scripts/examples.ts'
import { jsonSchemas, PUBLIC_SCHEMAS, SCHEMA_NAMES, type SchemaName } from '../scripts/schemas.ts'
import { answerFields, nearValid, poolFields, taskFields } from './near-valid.ts'

function validators() {
  // Times are held by their pattern.
  const ajv = new Ajv({
    strictTypes: false,
    strictRequired: false,
    formats: { uri: URL.canParse, 'date-time': true },
  })
  const schemas = jsonSchemas((name) => `${name}.json`)
  for (const name of SCHEMA_NAMES) ajv.addSchema({ ...schemas[name], $id: `${name}.json` })
  return (name: SchemaName, value: unknown): boolean => ajv.validate(`${name}.json`, value)
}

const validates = validators()

test.each(SCHEMA_NAMES)('the example of %s matches its JSON Schema', (name) => {
  expect(validates(name, EXAMPLES[name])).toBe(true)
  expect(validates(name, 7)).toBe(false)
})

/** The one rule that JSON Schema cannot say: a quorum of more than the pools listed. */
function hasTooHighQuorum(value: unknown): boolean {
  const fanOut = (value as { fan_out?: { aggregation?: unknown; pools?: unknown; quorum?: unknown } } | null)
    ?.fan_out
  if (fanOut?.aggregation !== 'quorum' || !Array.isArray(fanOut.pools)) return false
  return Number(fanOut.quorum) > new Set(fanOut.pools).size
}

test.each([
  ['DistributedTaskInput', nearValid(taskFields, ['task_type', 'payload'])],
  ['PoolDescriptorInput', nearValid(poolFields, ['name', 'pool_type'])],
  ['PoolAnswer', nearValid(answerFields, ['status'])],
] as const)('the JSON Schema of %s accepts exactly what the zod schema accepts', (name, inputs) => {
  const seen = { true: 0, false: 0 }
  fc.assert(
    fc.property(inputs, (made) => {
      const text = JSON.stringify(made)
      fc.pre(text !== undefined)
      const value: unknown = JSON.parse(text)
      fc.pre(!hasTooHighQuorum(value))
      const expected = PUBLIC_SCHEMAS[name].schema.safeParse(value).success
      expect(validates(name, value)).toBe(expected)
      seen[`${expected}`]++
    }),
    { numRuns: 2000 },
  )
  expect(Math.min(seen.true, seen.false)).toBeGreaterThan(200)
})
