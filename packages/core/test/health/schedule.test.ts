import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { CheckSchedule, newlyScheduled, type Scheduled } from '../../src/health/index.ts'

const INTERVAL = 30_000
type Item = Scheduled & { id: number }
const item = (id = 0): Item => ({ ...newlyScheduled(), id })
/** A generator of its own, so that a failure can be repeated. */
const random = (seed: number) => () => {
  seed = (seed * 1_664_525 + 1_013_904_223) % 2 ** 32
  return seed / 2 ** 32
}

test('pools that are known at the start are spread over the interval', () => {
  const schedule = new CheckSchedule<Item>(INTERVAL, random(1))
  for (let i = 0; i < 3_000; i++) schedule.addKnown(item(i), 0)
  const perSecond = new Array<number>(30).fill(0)
  for (let second = 0; second < 30; second++)
    while (schedule.takeDue((second + 1) * 1_000)) perSecond[second] = (perSecond[second] as number) + 1
  expect(perSecond.slice(0, 6).every((count) => count === 0)).toBe(true)
  expect(Math.min(...perSecond.slice(6))).toBeGreaterThan(70)
  expect(Math.max(...perSecond)).toBeLessThan(200)
})

test('pools that come all at once part, and each is checked within every interval', () => {
  const schedule = new CheckSchedule<Item>(INTERVAL, random(2))
  const lastAt = new Map<Item, number>()
  for (let i = 0; i < 2_000; i++) {
    const one = item(i)
    schedule.addNew(one, 0)
    lastAt.set(one, 0)
  }
  const counts: number[] = []
  for (let now = 0; now <= 600_000; now += 100) {
    let count = 0
    for (let due = schedule.takeDue(now); due; due = schedule.takeDue(now)) {
      expect(now - (lastAt.get(due) as number)).toBeLessThanOrEqual(INTERVAL + 100)
      lastAt.set(due, now)
      schedule.done(due, true, now)
      count++
    }
    counts.push(count)
  }
  // 2,000 pools in 300 tenths of a second: seven at a time, were it perfectly even.
  expect(Math.max(...counts.slice(-300))).toBeLessThan(40)
})

test('a failing pool is checked after 1, 2, 4 … seconds, up to the interval, and in its time again once it is healthy', () => {
  const schedule = new CheckSchedule<Item>(INTERVAL, () => 0)
  const one = item()
  schedule.addNew(one, 0)
  const delays: number[] = []
  let now = schedule.nextAt
  for (let i = 0; i < 8; i++) {
    expect(schedule.takeDue(now)).toBe(one)
    schedule.done(one, i === 7, now)
    delays.push(schedule.nextAt - now)
    now = schedule.nextAt
  }
  expect(delays).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 15_000])
  schedule.takeDue(now)
  schedule.done(one, true, now)
  expect(schedule.nextAt - now).toBe(INTERVAL)
})

test('a hurried pool is next, but never more often than four times in its first retry', () => {
  const schedule = new CheckSchedule<Item>(INTERVAL, () => 0.5)
  const one = item()
  schedule.addNew(one, 0)
  schedule.hurry(one, 10)
  expect(schedule.takeDue(10)).toBe(one)
  schedule.hurry(one, 20)
  expect(schedule.takeDue(20), 'under way').toBeUndefined()
  schedule.done(one, true, 30)
  expect(schedule.nextAt).toBe(260)
  schedule.takeDue(260)
  schedule.done(one, true, 270)
  expect(schedule.nextAt, 'asked for once, done once').toBeGreaterThan(10_000)
})

test('something that speaks against a pool brings its check forward to a second from now', () => {
  const schedule = new CheckSchedule<Item>(INTERVAL, () => 0.5)
  const one = item()
  schedule.addKnown(one, 0)
  schedule.retry(one, 5)
  expect(schedule.nextAt).toBe(1_005)
})

test('whatever is asked of it: everything is due in order, and nothing that was removed', () => {
  const step = fc.record({
    act: fc.constantFrom('new', 'known', 'hurry', 'remove', 'take', 'take'),
    pick: fc.nat(),
    healthy: fc.boolean(),
    waitMs: fc.nat(40_000),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (all) => {
      const schedule = new CheckSchedule<Item>(INTERVAL, random(3))
      const live = new Set<Item>()
      let now = 0
      for (const { act, pick, healthy, waitMs } of all) {
        now += waitMs
        const picked = [...live][pick % Math.max(1, live.size)]
        if (act === 'new' || act === 'known') {
          const one = item(pick)
          live.add(one)
          if (act === 'new') schedule.addNew(one, now)
          else schedule.addKnown(one, now)
        } else if (act === 'take') {
          const earliest = Math.min(Number.POSITIVE_INFINITY, ...[...live].map(({ dueAt }) => dueAt))
          const due = schedule.takeDue(now)
          expect(due?.dueAt ?? null).toBe(earliest <= now ? earliest : null)
          if (!due) continue
          expect(live.has(due)).toBe(true)
          schedule.done(due, healthy, now)
          expect(due.dueAt - now).toBeGreaterThan(0)
          expect(due.dueAt - now).toBeLessThanOrEqual(INTERVAL)
        } else if (picked && act === 'hurry') schedule.hurry(picked, now)
        else if (picked) {
          schedule.remove(picked)
          live.delete(picked)
        }
      }
    }),
  )
})
