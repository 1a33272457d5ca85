import type { DistributedTaskResult } from '@poolmesh/types'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { printResult } from '../../src/index.ts'

const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/)
const at = fc.date({ noInvalidDate: true, min: new Date(0) }).map((date) => date.toISOString())
const number = fc.double({ min: 0, noNaN: true, noDefaultInfinity: true })
const metadata = fc.oneof(
  fc.record({ attempts: fc.nat(), queued_ms: fc.nat(), submitted_at: at, started_at: at }),
  fc.record({ attempts: fc.nat(), queued_ms: fc.nat(), submitted_at: at, reason: fc.string() }),
  fc.record({
    attempts: fc.nat(),
    queued_ms: fc.nat(),
    submitted_at: at,
    started_at: at,
    cancel: fc.string(),
  }),
)
const fields = {
  task_id: id,
  pool_name: fc.option(id),
  status: fc.constantFrom('completed', 'failed', 'timeout', 'cancelled'),
  output: fc.option(fc.dictionary(fc.string(), fc.jsonValue())),
  error: fc.option(fc.string()),
  duration: number,
  metadata,
}
const results = fc.oneof(fc.record(fields), fc.record({ ...fields, output_ref: fc.jsonValue() }))

test('a result is printed as JSON.stringify prints it', () => {
  fc.assert(
    fc.property(results, (result) => {
      expect(printResult(result as DistributedTaskResult)).toBe(JSON.stringify(result))
    }),
    { numRuns: 2_000 },
  )
})
