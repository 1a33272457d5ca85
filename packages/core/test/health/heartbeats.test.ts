import { expect, test } from 'vitest'
import { HeartbeatWatch } from '../../src/health/index.ts'

const watch = (): HeartbeatWatch => new HeartbeatWatch({ intervalMs: 1_000, missed: 3 })

test('a pool is late once at 1.4 intervals and missed once at three', () => {
  const heartbeats = watch()
  heartbeats.beat('a', 0)
  expect(heartbeats.sweep(1_399)).toEqual({ late: [], missed: [] })
  expect(heartbeats.sweep(1_400)).toEqual({ late: ['a'], missed: [] })
  expect(heartbeats.isLate('a')).toBe(true)
  expect(heartbeats.sweep(2_999)).toEqual({ late: [], missed: [] })
  expect(heartbeats.sweep(3_000)).toEqual({ late: [], missed: ['a'] })
  expect(heartbeats.sweep(9_000)).toEqual({ late: [], missed: [] })
})

test('a heartbeat in time starts it all again, for that pool alone', () => {
  const heartbeats = watch()
  for (const pool of ['a', 'b', 'c']) heartbeats.beat(pool, 0)
  heartbeats.sweep(1_500)
  heartbeats.beat('b', 1_500)
  expect(heartbeats.isLate('b')).toBe(false)
  expect(heartbeats.sweep(2_899)).toEqual({ late: [], missed: [] })
  expect(heartbeats.sweep(3_000)).toEqual({ late: ['b'], missed: ['a', 'c'] })
})

test('pools that never sent one, or were forgotten, are not missed', () => {
  const heartbeats = watch()
  heartbeats.beat('a', 0)
  heartbeats.forget('a')
  expect(heartbeats.sweep(99_000)).toEqual({ late: [], missed: [] })
})

test('after a time of deafness everyone has the full time again', () => {
  const heartbeats = watch()
  heartbeats.beat('a', 0)
  heartbeats.sweep(1_400)
  heartbeats.beat('b', 1_500)
  heartbeats.resume(10_000)
  expect(heartbeats.sweep(11_399)).toEqual({ late: [], missed: [] })
  expect(heartbeats.sweep(13_000)).toEqual({ late: ['a', 'b'], missed: ['a', 'b'] })
})
