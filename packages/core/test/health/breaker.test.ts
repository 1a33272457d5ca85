import type { HealthStatus } from '@poolmesh/types'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type BreakerPolicy,
  CircuitBreaker,
  type StoredVerdict,
  verdictChange,
} from '../../src/health/index.ts'

const WINDOW_MS = 300_000
const policy: BreakerPolicy = {
  degradedAfter: 2,
  unavailableAfter: 5,
  flapping: { changes: 4, windowMs: WINDOW_MS, holdSuccesses: 3, firstHoldMs: 30_000 },
}
const RANK = { healthy: 0, degraded: 1, unavailable: 2 }

const failTimes = (breaker: CircuitBreaker, times: number, now = 0): void => {
  for (let i = 0; i < times; i++) breaker.checkFailed('timed_out', now)
}

describe('the circuit breaker', () => {
  test('is degraded after two failures in a row, unavailable after five, and healthy after one success', () => {
    const breaker = new CircuitBreaker(policy, 'healthy')
    const seen: string[] = []
    for (let i = 0; i < 6; i++) {
      breaker.checkFailed('timed_out', i)
      seen.push(breaker.status)
    }
    expect(seen).toEqual(['healthy', 'degraded', 'degraded', 'degraded', 'unavailable', 'unavailable'])
    expect(breaker.reason).toBe('timed_out')
    breaker.answered('healthy', 10)
    expect(breaker).toMatchObject({ status: 'healthy', reason: 'check_passed' })
  })

  test('counts only failures in a row', () => {
    const breaker = new CircuitBreaker(policy, 'healthy')
    for (let i = 0; i < 20; i++) {
      failTimes(breaker, 1, i)
      breaker.answered('healthy', i)
    }
    expect(breaker.status).toBe('healthy')
  })

  test('takes the pool at its word', () => {
    const breaker = new CircuitBreaker(policy, 'healthy')
    breaker.answered('unavailable', 0)
    expect(breaker).toMatchObject({ status: 'unavailable', reason: 'reported' })
    breaker.answered('degraded', 1)
    expect(breaker).toMatchObject({ status: 'degraded', reason: 'reported' })
  })

  test('believes what a pool declared until it answers; being present is no answer', () => {
    const breaker = new CircuitBreaker(policy, 'degraded')
    breaker.present(0)
    expect(breaker.status).toBe('degraded')
    failTimes(breaker, 5)
    expect(breaker.status).toBe('unavailable')
    breaker.present(2)
    expect(breaker, 'back to its own word').toMatchObject({ status: 'degraded', reason: 'declared' })
    breaker.answered('healthy', 3)
    expect(breaker.status).toBe('healthy')
  })

  test('is open while heartbeats are missing, whatever the pool answers, and closes with the check after the next one', () => {
    const breaker = new CircuitBreaker(policy, 'healthy')
    breaker.lost('heartbeats_missed', 0)
    expect(breaker).toMatchObject({ status: 'unavailable', reason: 'heartbeats_missed' })
    breaker.answered('healthy', 1)
    breaker.present(2)
    expect(breaker.status).toBe('unavailable')
    breaker.beat()
    expect(breaker.status).toBe('unavailable')
    breaker.present(3)
    expect(breaker.status).toBe('healthy')
  })

  test('failed runs count on their own: a good check in between does not hide them, a good run does', () => {
    const breaker = new CircuitBreaker(policy, 'healthy')
    breaker.runsFailed('invalid_result', 1, 0)
    breaker.answered('healthy', 1)
    breaker.runsFailed('invalid_result', 1, 2)
    expect(breaker).toMatchObject({ status: 'degraded', reason: 'invalid_result' })
    breaker.answered('healthy', 3)
    expect(breaker.status, 'the check is the half-open trial').toBe('healthy')
    breaker.runsFailed('run_timeout', 1, 4)
    breaker.runSucceeded()
    breaker.runsFailed('run_timeout', 1, 5)
    expect(breaker.status).toBe('healthy')
  })

  test('a good run does not close an open breaker', () => {
    const breaker = new CircuitBreaker(policy, 'healthy')
    breaker.runsFailed('run_timeout', 7, 0)
    expect(breaker.status).toBe('unavailable')
    breaker.runSucceeded()
    expect(breaker.status).toBe('unavailable')
  })

  test('a new registration starts from what the pool declares', () => {
    const breaker = new CircuitBreaker(policy, 'healthy')
    failTimes(breaker, 4)
    breaker.lost('heartbeats_missed', 0)
    breaker.registeredAgain('healthy', 1)
    expect(breaker).toMatchObject({ status: 'healthy', reason: 're-registered' })
    failTimes(breaker, 1, 2)
    expect(breaker.status).toBe('healthy')
  })
})

describe('a flapping pool', () => {
  const flap = (): { breaker: CircuitBreaker; now: number } => {
    const breaker = new CircuitBreaker(policy, 'healthy')
    let now = 0
    for (const status of ['degraded', 'healthy', 'degraded', 'healthy'] as const) {
      now += 1_000
      breaker.answered(status, now)
    }
    return { breaker, now }
  }

  test('is held degraded from its fourth change on', () => {
    const { breaker } = flap()
    expect(breaker).toMatchObject({ status: 'degraded', reason: 'flapping', flapping: true })
  })

  test('is not flapping when the changes are far apart', () => {
    const breaker = new CircuitBreaker(policy, 'healthy')
    for (let i = 0; i < 40; i++) breaker.answered(i % 2 ? 'healthy' : 'degraded', (i * WINDOW_MS) / 2)
    expect(breaker.flapping).toBe(false)
  })

  test('recovers after three successes in a row over the hold time, which a relapse doubles', () => {
    const { breaker, now } = flap()
    breaker.answered('healthy', now + 1_000)
    breaker.answered('healthy', now + 2_000)
    expect(breaker.status, 'enough successes, too soon').toBe('degraded')
    breaker.answered('degraded', now + 3_000)
    const start = now + 4_000
    for (let at = 0; at < 60_000; at += 10_000) breaker.answered('healthy', start + at)
    expect(breaker.status, 'a relapse: sixty seconds now').toBe('degraded')
    breaker.answered('healthy', start + 60_000)
    expect(breaker).toMatchObject({ status: 'healthy', reason: 'stable', flapping: false })
  })

  test('a long silence with one success at its end is not steady', () => {
    const { breaker, now } = flap()
    failTimes(breaker, 1, now)
    breaker.answered('healthy', now + 200_000)
    expect(breaker.status).toBe('degraded')
  })

  test('needs three successes, however far apart they are', () => {
    const { breaker, now } = flap()
    failTimes(breaker, 1, now)
    for (const later of [100_000, 250_000]) breaker.answered('healthy', now + later)
    expect(breaker.status).toBe('degraded')
    breaker.answered('healthy', now + 250_001)
    expect(breaker.status).toBe('healthy')
  })

  test('is held longer each time that it flaps again, up to the window', () => {
    const breaker = new CircuitBreaker(policy, 'healthy')
    const holds: number[] = []
    let now = 0
    for (let i = 0; i < 7; i++) {
      for (let change = 0; !breaker.flapping; change++)
        breaker.answered(change % 2 ? 'healthy' : 'degraded', now++)
      const from = now
      while (breaker.flapping) {
        now += 1_000
        breaker.answered('healthy', now)
      }
      holds.push(Math.round((now - from) / 10_000) * 10)
    }
    expect(holds).toEqual([30, 60, 120, 240, 300, 300, 300])
  })

  test('is still unavailable when it is down, and only degraded once it is back', () => {
    const { breaker, now } = flap()
    failTimes(breaker, 5, now)
    expect(breaker).toMatchObject({ status: 'unavailable', reason: 'flapping' })
    breaker.present(now + 1)
    expect(breaker).toMatchObject({ status: 'degraded', reason: 'flapping' })
  })

  test('does not get free by registering again, but may take work', () => {
    const breaker = new CircuitBreaker(policy, 'healthy')
    for (let i = 0; i < 2; i++) {
      breaker.lost('gone', 2 * i)
      breaker.registeredAgain('healthy', 2 * i + 1)
    }
    expect(breaker).toMatchObject({ status: 'degraded', reason: 'flapping' })
    breaker.lost('gone', 10)
    breaker.registeredAgain('healthy', 11)
    expect(breaker).toMatchObject({ status: 'degraded', reason: 'flapping' })
  })

  test('is adopted from another monitor, and let go with it', () => {
    const breaker = new CircuitBreaker(policy, 'healthy')
    breaker.adopt({ status: 'degraded', reason: 'flapping' }, 0)
    breaker.answered('healthy', 1)
    expect(breaker).toMatchObject({ status: 'degraded', flapping: true })
    breaker.adopt({ status: 'healthy', reason: 'stable' }, 2)
    expect(breaker).toMatchObject({ status: 'healthy', flapping: false })
  })
})

type Signal =
  | { do: 'answered'; status: HealthStatus }
  | { do: 'present' | 'failed' | 'gone' | 'missed' | 'beat' | 'run ok' }
  | { do: 'runs failed'; count: number }
  | { do: 'registered'; status: HealthStatus }

const status = fc.constantFrom<HealthStatus>('healthy', 'degraded', 'unavailable')
const signal: fc.Arbitrary<Signal> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('answered' as const), status }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('present', 'failed', 'failed', 'gone', 'missed', 'beat', 'run ok'),
    }) as fc.Arbitrary<Signal>,
  },
  fc.record({ do: fc.constant('runs failed' as const), count: fc.integer({ min: 1, max: 7 }) }),
  fc.record({ do: fc.constant('registered' as const), status }),
)
const steps = fc.array(fc.record({ signal, waitMs: fc.integer({ min: 0, max: 20_000 }) }), {
  maxLength: 300,
  size: 'max',
})

function give(breaker: CircuitBreaker, given: Signal, now: number): void {
  if (given.do === 'answered') breaker.answered(given.status, now)
  else if (given.do === 'present') breaker.present(now)
  else if (given.do === 'failed') breaker.checkFailed('timed_out', now)
  else if (given.do === 'gone') breaker.lost('gone', now)
  else if (given.do === 'missed') breaker.lost('heartbeats_missed', now)
  else if (given.do === 'beat') breaker.beat()
  else if (given.do === 'run ok') breaker.runSucceeded()
  else if (given.do === 'runs failed') breaker.runsFailed('run_timeout', given.count, now)
  else if (given.do === 'registered') breaker.registeredAgain(given.status, now)
}

describe('whatever happens', () => {
  test('failures only make it worse, successes only better, and a bare run or heartbeat changes nothing (invariant 1)', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const breaker = new CircuitBreaker(policy, 'healthy')
        let now = 0
        for (const { signal: given, waitMs } of all) {
          const before = RANK[breaker.status]
          now += waitMs
          give(breaker, given, now)
          const after = RANK[breaker.status]
          if (['failed', 'gone', 'missed', 'runs failed'].includes(given.do))
            expect(after).toBeGreaterThanOrEqual(before)
          if (given.do === 'present' || (given.do === 'answered' && given.status === 'healthy'))
            expect(after).toBeLessThanOrEqual(before)
          if (given.do === 'beat' || given.do === 'run ok') expect(after).toBe(before)
        }
      }),
    )
  })

  test('silence keeps it unavailable, a hold keeps it from being healthy (invariants 2 and 3)', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const breaker = new CircuitBreaker(policy, 'healthy')
        let silent = false
        let now = 0
        for (const { signal: given, waitMs } of all) {
          now += waitMs
          give(breaker, given, now)
          if (given.do === 'missed') silent = true
          if (given.do === 'beat' || given.do === 'registered') silent = false
          if (silent) expect(breaker.status).toBe('unavailable')
          if (breaker.flapping) {
            expect(breaker.status).not.toBe('healthy')
            expect(breaker.reason).toBe('flapping')
          }
        }
      }),
    )
  })

  test('each change is told once: what is told alternates as the status does, and never storms', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const breaker = new CircuitBreaker(policy, 'healthy')
        const registration = { registered_at: '0', health_status: 'healthy' as HealthStatus }
        let stored: StoredVerdict | null = null
        const told: { at: number; event: string; reason: string; from: string; to: string }[] = []
        let now = 0
        for (const { signal: given, waitMs } of all) {
          now += waitMs
          give(breaker, given, now)
          if (given.do === 'registered') {
            registration.registered_at += '0'
            registration.health_status = given.status
          }
          const change = verdictChange(stored, registration, breaker)
          if (change) {
            stored = { ...change, registered_at: registration.registered_at }
            if (change.event)
              told.push({
                at: now,
                event: change.event,
                reason: change.reason,
                from: change.previous_status,
                to: change.status,
              })
          }
          // What is stored, or the registration itself where nothing is, always says what the breaker says.
          const effective =
            stored?.registered_at === registration.registered_at ? stored.status : registration.health_status
          expect(effective).toBe(breaker.status)
          expect(verdictChange(stored, registration, breaker), 'nothing is told twice').toBeNull()
        }
        for (const [i, one] of told.entries()) {
          expect(one.event === 'recovered').toBe(one.to === 'healthy')
          if (one.from === one.to) expect(one.reason).toBe('flapping')
          const next = told[i + 1]
          if (one.reason === 'flapping' && next) {
            expect(next, 'a hold ends with one recovery').toMatchObject({
              event: 'recovered',
              reason: 'stable',
            })
            expect(next.at - one.at).toBeGreaterThanOrEqual(policy.flapping.firstHoldMs)
          }
        }
        // Holds of 30, 60 and 120 s, with at most four events before each and one after it, fit into one window.
        for (const { at } of told)
          expect(
            told.filter((other) => other.at >= at && other.at < at + WINDOW_MS).length,
          ).toBeLessThanOrEqual(4 * 5)
      }),
      { numRuns: 300 },
    )
  })
})
