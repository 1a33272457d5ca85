import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Lease } from '../../src/lease/index.ts'

const options = { leaseMs: 4_000, renewMs: 1_000, marginMs: 1_000 }

/** A register with compare-and-set. */
class Register {
  holder: string | null = null
  revision = 0
  write(holder: string | null, expected: number): boolean {
    if (expected !== this.revision) return false
    this.holder = holder
    this.revision++
    return true
  }
}

function turn(lease: Lease, id: string, register: Register, now: number): void {
  lease.read({ holder: register.holder, revision: register.revision }, now)
  const step = lease.step(now)
  if (step.kind === 'write' && register.write(id, step.expected)) lease.written(register.revision, now)
}

test('the first takes it, renews it, and the second stands by', () => {
  const register = new Register()
  const a = new Lease({ ...options, id: 'a' })
  const b = new Lease({ ...options, id: 'b' })
  for (let now = 0; now < 20_000; now += 500) {
    turn(a, 'a', register, now)
    turn(b, 'b', register, now)
    expect([a.mayAct(now), b.mayAct(now)]).toEqual([true, false])
  }
})

test('a revision that the register has given away twice is not taken for our own', () => {
  const register = new Register()
  const a = new Lease({ ...options, id: 'a' })
  const b = new Lease({ ...options, id: 'b' })
  turn(a, 'a', register, 0)
  // The server loses what it had not synced, and with it the connection.
  a.doubt()
  Object.assign(register, { holder: null, revision: 0 })
  turn(b, 'b', register, 100)
  expect(register).toEqual({ holder: 'b', revision: 1 })
  expect(a.mustRead).toBe(true)
  expect(a.step(2_000)).toEqual({ kind: 'wait' })
  turn(a, 'a', register, 2_000)
  expect([a.holds, register.holder]).toEqual([false, 'b'])
})

test('when the holder stops, it may not act any more before another takes the lease', () => {
  const register = new Register()
  const a = new Lease({ ...options, id: 'a' })
  const b = new Lease({ ...options, id: 'b' })
  turn(a, 'a', register, 0)
  let takenAt = 0
  for (let now = 0; takenAt === 0; now += 100) {
    turn(b, 'b', register, now)
    if (b.mayAct(now)) takenAt = now
    expect(a.mayAct(now) && b.mayAct(now)).toBe(false)
  }
  expect(takenAt).toBe(options.leaseMs)
  a.read({ holder: register.holder, revision: register.revision }, takenAt)
  expect([a.holds, b.holds]).toEqual([false, true])
})

test('given back, or known to be dead: it is taken at once', () => {
  const register = new Register()
  const a = new Lease({ ...options, id: 'a' })
  const b = new Lease({ ...options, id: 'b' })
  turn(a, 'a', register, 0)
  turn(b, 'b', register, 0)
  expect(b.holder).toBe('a')
  b.holderIsGone('a')
  expect(b.step(1)).toEqual({ kind: 'write', expected: 1, taking: true })
  turn(a, 'a', register, 1_000)
  register.write(null, register.revision)
  a.released(register.revision, 1_000)
  turn(b, 'b', register, 1_000)
  expect([a.holds, b.holds]).toEqual([false, true])
})

test('silence that could not be heard does not count', () => {
  const register = new Register()
  const a = new Lease({ ...options, id: 'a' })
  const b = new Lease({ ...options, id: 'b' })
  turn(a, 'a', register, 0)
  turn(b, 'b', register, 0)
  b.deaf(60_000)
  expect(b.step(60_000)).toEqual({ kind: 'wait' })
  expect(b.step(64_000).kind).toBe('write')
})

test('two never act at a time, however they are paused', () => {
  const ids = ['a', 'b', 'c']
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(2), fc.nat(3_000)), { maxLength: 200 }), (turns) => {
      const register = new Register()
      const leases = ids.map((id) => new Lease({ ...options, id }))
      let now = 0
      for (const [who, pause] of turns) {
        now += pause
        turn(leases[who] as Lease, ids[who] as string, register, now)
        expect(leases.filter((lease) => lease.mayAct(now)).length).toBeLessThanOrEqual(1)
      }
    }),
  )
})
