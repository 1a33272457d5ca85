// After a cut the lease may come back later than the connection: what was lost with it is looked for all the same.
import { silentLogger } from '@poolmesh/bus'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Review, type ReviewParts } from '../src/review.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function reviewing() {
  const state = { may: false, term: {} as object | null, looked: [] as number[] }
  const engine = { table: { busy: () => [] }, running: 0, review: (at: number) => state.looked.push(at) }
  const parts = {
    engine,
    adapter: { running: async () => new Map(), traits: () => ({ adoption: 'none' }) },
    mayAct: () => state.may,
    term: () => state.term,
    log: silentLogger(),
  } as unknown as ReviewParts
  return Object.assign(state, { review: new Review(parts) })
}

test('an executor that may not act yet looks for lost answers as soon as it may, once', async () => {
  const state = reviewing()
  const at = Date.now()
  state.review.reconnected()
  await vi.advanceTimersByTimeAsync(20_000)
  expect(state.looked).toEqual([])
  state.may = true
  await vi.advanceTimersByTimeAsync(20_000)
  expect(state.looked).toEqual([at])
})

test('one that lost the lease meanwhile leaves it to whoever took over', async () => {
  const state = reviewing()
  state.review.reconnected()
  await vi.advanceTimersByTimeAsync(10_000)
  Object.assign(state, { may: true, term: {} })
  await vi.advanceTimersByTimeAsync(20_000)
  expect(state.looked).toEqual([])
  expect(vi.getTimerCount()).toBe(0)
})
