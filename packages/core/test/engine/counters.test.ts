import { expect, test } from 'vitest'
import { Counters } from '../../src/engine/counters.ts'

test('ends are counted by status, strategy and type, of which only so many have a name', () => {
  const counters = new Counters()
  for (let i = 0; i < 200; i++)
    counters.ended(i % 2 ? 'failed' : 'completed', { task_type: `t${i}`, routing_strategy: 'round_robin' })
  counters.ended('completed', { task_type: 't0', routing_strategy: 'affinity' })
  counters.ended('failed', null)
  expect(counters.byStatus).toEqual({ completed: 101, failed: 101, timeout: 0, cancelled: 0 })
  expect(counters.byStrategy.get('round_robin')).toMatchObject({ completed: 100, failed: 100 })
  expect(counters.byStrategy.get('affinity')).toMatchObject({ completed: 1 })
  expect(counters.byType.size).toBe(51)
  expect(counters.byType.get('t0')).toMatchObject({ completed: 2 })
  expect(counters.byType.get('other')).toMatchObject({ completed: 75, failed: 75 })
})
