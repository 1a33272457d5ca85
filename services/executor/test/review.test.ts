// After a cut the lease may come back later than the connection: what was lost with it is looked for all the same.
import { silentLogger } from '@poolmesh/bus'
import type { PoolDescriptor } from '@poolmesh/types'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Review, type ReviewParts } from '../src/review.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function reviewing() {
  const state = {
    may: false,
    term: {} as object | null,
    looked: [] as number[],
    lost: [] as [string, number][],
  }
  const engine = {
    recovering: false,
    table: { busy: () => [], get: () => ({ running: 1 }) },
    running: 0,
    review: (at: number) => state.looked.push(at),
    poolReplaced: (pool: string, before: number) => state.lost.push([pool, before]),
  }
  const parts = {
    engine,
    adapter: { running: async () => new Map(), traits: () => ({ adoption: 'none' }) },
    mayAct: () => state.may,
    term: () => state.term,
    log: silentLogger(),
  } as unknown as ReviewParts
  return Object.assign(state, { engine, review: new Review(parts) })
}

test('an executor that may not act yet looks for lost answers as soon as it may, once', async () => {
  const state = reviewing()
  const at = Date.now()
  state.review.doubt()
  await vi.advanceTimersByTimeAsync(20_000)
  expect(state.looked).toEqual([])
  state.may = true
  await vi.advanceTimersByTimeAsync(20_000)
  expect(state.looked).toEqual([at])
})

test('one that lost the lease meanwhile leaves it to whoever took over', async () => {
  const state = reviewing()
  state.review.doubt()
  await vi.advanceTimersByTimeAsync(10_000)
  Object.assign(state, { may: true, term: {} })
  await vi.advanceTimersByTimeAsync(20_000)
  expect(state.looked).toEqual([])
  expect(vi.getTimerCount()).toBe(0)
})

test('a pool that is replaced while a predecessor’s tasks come in loses what ran there before, once they are in', async () => {
  const state = reviewing()
  const at = Date.now()
  Object.assign(state, { may: true })
  state.engine.recovering = true
  state.review.replaced({ name: 'p' } as PoolDescriptor)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(state.lost).toEqual([])
  state.engine.recovering = false
  state.review.recovered()
  await vi.advanceTimersByTimeAsync(0)
  expect(state.lost).toEqual([['p', at]])
})

test('answers that may be gone while a predecessor’s tasks come in are looked for once they are in', async () => {
  const state = reviewing()
  const at = Date.now()
  Object.assign(state, { may: true })
  state.engine.recovering = true
  state.review.doubt()
  await vi.advanceTimersByTimeAsync(20_000)
  expect(state.looked).toEqual([])
  state.engine.recovering = false
  state.review.recovered()
  await vi.advanceTimersByTimeAsync(20_000)
  expect(state.looked).toEqual([at])
})
