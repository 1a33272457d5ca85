import { expect, test } from 'vitest'
import { type StoredVerdict, verdictChange } from '../../src/health/index.ts'

const registration = { registered_at: 'now', health_status: 'healthy' as const }
const stored = (status: StoredVerdict['status'], reason: string, registered_at = 'now'): StoredVerdict => ({
  status,
  reason,
  registered_at,
})

test('a pool that is what it declares needs no verdict', () => {
  expect(verdictChange(null, registration, { status: 'healthy', reason: 'declared' })).toBeNull()
  const degraded = { ...registration, health_status: 'degraded' as const }
  expect(verdictChange(null, degraded, { status: 'degraded', reason: 'declared' })).toBeNull()
})

test('a change is told with the status before it', () => {
  expect(verdictChange(null, registration, { status: 'degraded', reason: 'timed_out' })).toEqual({
    status: 'degraded',
    reason: 'timed_out',
    event: 'unhealthy',
    previous_status: 'healthy',
  })
  expect(
    verdictChange(stored('unavailable', 'gone'), registration, { status: 'healthy', reason: 'check_passed' }),
  ).toMatchObject({ event: 'recovered', previous_status: 'unavailable' })
})

test('a bad verdict on an earlier registration is taken back, a good one is nothing', () => {
  const verdict = { status: 'healthy', reason: 'declared' } as const
  expect(verdictChange(stored('unavailable', 'gone', 'before'), registration, verdict)).toEqual({
    status: 'healthy',
    reason: 're-registered',
    event: 'recovered',
    previous_status: 'unavailable',
  })
  expect(verdictChange(stored('healthy', 'stable', 'before'), registration, verdict)).toBeNull()
})

test('a held pool’s ups and downs are stored and not told', () => {
  const verdict = { status: 'unavailable', reason: 'flapping' } as const
  expect(verdictChange(stored('degraded', 'flapping'), registration, verdict)).toMatchObject({
    status: 'unavailable',
    event: null,
  })
  expect(
    verdictChange(stored('degraded', 'timed_out'), registration, { ...verdict, status: 'degraded' }),
  ).toMatchObject({
    event: 'unhealthy',
    reason: 'flapping',
  })
})
