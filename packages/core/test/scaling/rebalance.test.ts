import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  apportion,
  lackingWorkers,
  rebalance,
  spareWorkers,
  type WorkerDemand,
} from '../../src/scaling/index.ts'

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0)

test('shares are those of the largest remainders', () => {
  // The textbook's: quotas 4.8, 1.2 and 4, of ten seats.
  expect(apportion(10, [48, 12, 40])).toEqual([5, 1, 4])
  expect(apportion(5, [1, 1, 1])).toEqual([2, 2, 1])
  expect(apportion(3, [0, 0])).toEqual([0, 0])
  expect(apportion(0, [3, 1])).toEqual([0, 0])
  expect(apportion(7, [])).toEqual([])
})

test('shares add up, and none differs from its quota by one', () => {
  const weights = fc.array(fc.nat(10_000), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(fc.nat(100_000), weights, (total, given) => {
      const shares = apportion(total, given)
      const all = sum(given)
      expect(sum(shares)).toBe(all === 0 ? 0 : total)
      for (const [i, share] of shares.entries())
        if (all > 0) expect(Math.abs(share - (total * given[i]!) / all)).toBeLessThan(1)
    }),
  )
})

const demand: fc.Arbitrary<WorkerDemand> = fc
  .record({
    limits: fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20 })),
    // Somebody may have set it outside of its limits.
    workers: fc.integer({ min: 1, max: 25 }),
    tasksPerWorker: fc.oneof(fc.integer({ min: 1, max: 10 }), fc.constantFrom(0.5, 1.5, 7 / 3)),
    running: fc.nat(60),
    busy: fc.nat(25),
    waiting: fc.oneof(fc.constant(0), fc.nat(200)),
  })
  .map(({ limits, ...rest }) => ({ ...rest, min: Math.min(...limits), max: Math.max(...limits) }))
const demands = fc.array(demand, { maxLength: 12 })

test('R1, R2: the sum is kept, and no pool leaves its limits', () => {
  fc.assert(
    fc.property(demands, (pools) => {
      const then = rebalance(pools)
      expect(sum(then)).toBe(sum(pools.map(({ workers }) => workers)))
      for (const [i, { workers, min, max }] of pools.entries()) {
        expect(then[i]).toBeGreaterThanOrEqual(Math.min(workers, min))
        expect(then[i]).toBeLessThanOrEqual(Math.max(workers, max))
      }
    }),
  )
})

test('R3: who gives has no less than its tasks need, who gets has no more, and has tasks that wait', () => {
  fc.assert(
    fc.property(demands, (pools) => {
      for (const [i, workers] of rebalance(pools).entries()) {
        const pool = pools[i]!
        const places = workers * pool.tasksPerWorker
        const tasks = pool.running + pool.waiting
        if (workers < pool.workers) {
          expect(places).toBeGreaterThanOrEqual(tasks)
          expect(workers).toBeGreaterThanOrEqual(pool.busy)
        }
        if (workers > pool.workers) {
          expect(pool.waiting).toBeGreaterThan(0)
          expect(places - pool.tasksPerWorker).toBeLessThan(tasks)
        }
      }
    }),
  )
})

test('R4: a plan that was carried out is followed by none, and no other would have moved more', () => {
  fc.assert(
    fc.property(demands, (pools) => {
      const then = rebalance(pools)
      const after = pools.map((pool, i) => ({ ...pool, workers: then[i]! }))
      expect(rebalance(after)).toEqual(then)
      expect(Math.min(sum(after.map(spareWorkers)), sum(after.map(lackingWorkers)))).toBe(0)
    }),
  )
})

test('workers go from who is idle to who has work waiting', () => {
  const pool = (changes: Partial<WorkerDemand>): WorkerDemand => ({
    workers: 3,
    min: 1,
    max: 10,
    tasksPerWorker: 2,
    running: 0,
    busy: 0,
    waiting: 0,
    ...changes,
  })
  const busy = pool({ workers: 1, running: 2, busy: 1, waiting: 4 })
  expect(rebalance([busy, pool({})])).toEqual([3, 1])
  // No more than what waits needs; no more than max; nothing where nothing waits, or nobody is idle.
  expect(rebalance([{ ...busy, waiting: 1 }, pool({})])).toEqual([2, 2])
  expect(rebalance([{ ...busy, waiting: 9, max: 2 }, pool({})])).toEqual([2, 2])
  expect(rebalance([{ ...busy, waiting: 0 }, pool({})])).toEqual([1, 3])
  expect(rebalance([busy, pool({ running: 5 })])).toEqual([1, 3])
  // A worker that runs something is not taken, although the others had room for it.
  expect(rebalance([busy, pool({ running: 2, busy: 2 })])).toEqual([2, 2])
  expect(rebalance([])).toEqual([])
  // Two lack 4 and 2, and 3 can be spared.
  const three = [{ ...busy, waiting: 8 }, { ...busy, waiting: 4 }, pool({ workers: 4 })]
  expect(rebalance(three)).toEqual([3, 2, 1])
})
