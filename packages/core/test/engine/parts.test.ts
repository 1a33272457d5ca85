import fc from 'fast-check'
import { expect, test } from 'vitest'
import { IntrusiveHeap } from '../../src/engine/heap.ts'
import { addHistograms, Histogram } from '../../src/engine/histogram.ts'
import { LaneScheduler, LEAST_SHARE } from '../../src/engine/lanes.ts'
import { type Timed, TimerWheel, untimed } from '../../src/engine/timers.ts'

test('a heap gives what a sorted list would, whatever was pushed, moved and taken out', () => {
  const operation = fc.oneof(
    fc.record({ kind: fc.constant('push' as const), key: fc.integer() }),
    fc.record({ kind: fc.constant('pop' as const) }),
    fc.record({ kind: fc.constant('remove' as const), at: fc.nat() }),
    fc.record({ kind: fc.constant('move' as const), at: fc.nat(), key: fc.integer() }),
  )
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
      let id = 0
      type Item = { id: number; key: number; heapIndex: number }
      const before = (a: Item, b: Item) => (a.key !== b.key ? a.key < b.key : a.id < b.id)
      const heap = new IntrusiveHeap<Item>(before)
      const model: Item[] = []
      for (const op of operations) {
        if (op.kind === 'push') {
          const item = { id: id++, key: op.key, heapIndex: -1 }
          heap.push(item)
          model.push(item)
        } else if (model.length > 0 && op.kind === 'remove') {
          const [item] = model.splice(op.at % model.length, 1)
          heap.remove(item as Item)
        } else if (model.length > 0 && op.kind === 'move') {
          const item = model[op.at % model.length] as Item
          item.key = op.key
          heap.moved(item)
        } else if (op.kind === 'pop') {
          model.sort((a, b) => (before(a, b) ? -1 : 1))
          expect(heap.pop()).toBe(model.shift())
        }
        expect(heap.size).toBe(model.length)
      }
      model.sort((a, b) => (before(a, b) ? -1 : 1))
      while (model.length > 0) expect(heap.pop()).toBe(model.shift())
    }),
  )
})

test('a timer fires once, never early, and late by no more than the wheel’s granularity of advances', () => {
  const plan = fc.array(fc.record({ at: fc.integer({ min: 0, max: 5_000 }), clear: fc.boolean() }), {
    maxLength: 60,
  })
  fc.assert(
    fc.property(
      plan,
      fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 30 }),
      (timers, steps) => {
        const wheel = new TimerWheel<Timed & { at: number; fired: number; cleared: boolean }>(0, 25)
        const items = timers.map(({ at, clear }) => ({ at, cleared: clear, fired: 0, ...untimed() }))
        for (const item of items) wheel.set(item, item.at)
        for (const item of items) if (item.cleared) wheel.clear(item)
        let now = 0
        for (const step of [...steps, 6_000]) {
          now += step
          wheel.advance(now, (item) => {
            item.fired++
            expect(item.at).toBeLessThanOrEqual(now)
          })
          for (const item of items) if (!item.cleared && item.at <= now - 25) expect(item.fired).toBe(1)
        }
        for (const item of items) expect(item.fired).toBe(item.cleared ? 0 : 1)
      },
    ),
  )
})

test('the highest lane goes first, and each lane that waits gets its least share', () => {
  const lanes = new LaneScheduler()
  const counts = [0, 0, 0, 0]
  const all = () => true
  for (let i = 0; i < 10_000; i++) {
    const lane = lanes.pick(all)
    counts[lane]!++
    lanes.served(lane, all)
  }
  // One may be owed to each when it ends.
  for (const count of counts) expect(count).toBeGreaterThanOrEqual(10_000 * LEAST_SHARE - 1)
  expect(counts[0]).toBeGreaterThan(8_000)
})

test('a lane that does not wait is owed nothing', () => {
  const lanes = new LaneScheduler()
  const onlyLow = (lane: number) => lane === 3
  for (let i = 0; i < 100; i++) lanes.served(3, onlyLow)
  expect(lanes.pick((lane) => lane !== 1)).toBe(0)
  expect(lanes.pick(() => false)).toBe(-1)
})

test('histograms count what is at most each bound, and add up', () => {
  const one = new Histogram()
  for (const ms of [0.5, 1, 3, 100, 9e9]) one.record(ms)
  const report = one.report()
  expect(report.buckets.find((bucket) => bucket.le === 1)?.count).toBe(2)
  expect(report.buckets.at(-1)).toEqual({ le: null, count: 5 })
  expect(addHistograms([report, report]).buckets.at(-1)?.count).toBe(10)
  expect(report.count).toBe(5)
})
