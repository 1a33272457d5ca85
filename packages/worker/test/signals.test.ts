import { expect, test } from 'vitest'
import { onStopSignals } from '../src/signals.ts'

const EVENTS = ['SIGTERM', 'SIGINT'] as const
const counts = (): number[] => EVENTS.map((signal) => process.listenerCount(signal))

test('a hundred pools of one process take one listener a signal, each is told, and the last gives it back', () => {
  const before = counts()
  const told: string[] = []
  const pools = Array.from({ length: 100 }, (_, i) =>
    onStopSignals(
      () => told.push(`stop ${i}`),
      () => told.push(`now ${i}`),
    ),
  )
  expect(counts()).toEqual(before.map((count) => count + 1))
  process.emit('SIGTERM', 'SIGTERM')
  expect(told).toEqual(pools.map((_, i) => `stop ${i}`))
  const [first, ...others] = pools
  first?.[Symbol.dispose]()
  told.length = 0
  process.emit('SIGINT', 'SIGINT')
  expect(told).toEqual(others.map((_, i) => `now ${i + 1}`))
  for (const pool of others) pool[Symbol.dispose]()
  expect(counts()).toEqual(before)
})
