import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { isoTime } from '../src/time.ts'

test('a time is printed as Date prints it, whatever was printed before', () => {
  const near = fc.integer({ min: 0, max: 300 }).map((ms) => 1_800_000_000_000 + ms)
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          near,
          fc.nat(),
          near.map((ms) => ms + 0.5),
        ),
        { maxLength: 200 },
      ),
      (times) => {
        for (const ms of times) expect(isoTime(ms)).toBe(new Date(ms).toISOString())
      },
    ),
  )
})
