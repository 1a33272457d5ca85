import type { HealthStatus } from '@poolmesh/types'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { CheckHistory, ErrorTexts } from '../../src/health/index.ts'

const check = fc.record({
  status: fc.constantFrom<HealthStatus>('healthy', 'degraded', 'unavailable'),
  responseMs: fc.option(fc.integer({ min: 0, max: 6_000_000 }).map((tenths) => tenths / 10)),
  // Also clocks that go back, and pauses of months.
  stepMs: fc.oneof(fc.nat(60_000), fc.integer({ min: -100_000, max: 0 }), fc.constantFrom(2 ** 31, 2 ** 32)),
  error: fc.option(fc.constantFrom('no answer', 'HTTP status 503', 'refused')),
})

test('it keeps exactly the last hundred, oldest first', () => {
  fc.assert(
    fc.property(
      fc.array(check, { maxLength: 260, size: 'max' }),
      fc.integer({ min: 1, max: 100 }),
      (checks, limit) => {
        const history = new CheckHistory(new ErrorTexts())
        let at = Date.parse('2026-01-01')
        const kept: unknown[] = []
        let oldestIsExact = true
        for (const { stepMs, ...given } of checks) {
          at += stepMs
          history.add({ ...given, at })
          kept.push({
            status: given.status,
            response_time: given.responseMs,
            last_check: new Date(at).toISOString(),
            error: given.error,
          })
          // Beyond 49 days between the oldest and the newest the times of old checks give way; the rest stays.
          if (stepMs >= 2 ** 31) oldestIsExact = false
        }
        const wanted = kept.slice(-100).slice(-limit)
        const got = history.last(limit)
        expect(got.length).toBe(wanted.length)
        if (oldestIsExact) expect(got).toEqual(wanted)
        expect(got.at(-1)).toEqual(wanted.at(-1))
      },
    ),
  )
})

test('times survive fifty days of checks', () => {
  const history = new CheckHistory(new ErrorTexts())
  const start = Date.parse('2026-01-01')
  for (let hour = 0; hour < 50 * 24; hour++)
    history.add({ status: 'healthy', responseMs: 1, at: start + hour * 3_600_000, error: null })
  expect(history.last(2).map(({ last_check }) => last_check)).toEqual([
    '2026-02-19T22:00:00.000Z',
    '2026-02-19T23:00:00.000Z',
  ])
})

test('the texts of errors are bounded', () => {
  const texts = new ErrorTexts()
  const history = new CheckHistory(texts)
  for (let i = 0; i < 200; i++)
    history.add({ status: 'degraded', responseMs: null, at: i, error: `error ${i}` })
  expect(history.last(1)[0]?.error).toMatch(/another error/)
  expect(texts.textOf(texts.codeOf('error 3'))).toBe('error 3')
})
