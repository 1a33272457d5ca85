import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Tickets } from '../src/index.ts'

test('each number gives what was added under it, once, in whatever order; the rest is told oldest first', () => {
  const step = fc.oneof(
    { weight: 2, arbitrary: fc.constant('add' as const) },
    { weight: 2, arbitrary: fc.nat() },
    { weight: 1, arbitrary: fc.constant('oldest' as const) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 1_000, size: 'max' }), (steps) => {
      const tickets = new Tickets<{ n: number }>()
      const model = new Map<number, { n: number }>()
      let added = 0
      for (const one of steps) {
        if (one === 'add') {
          const value = { n: added++ }
          const ticket = tickets.add(value)
          expect(model.has(ticket)).toBe(false)
          model.set(ticket, value)
        } else {
          const ticket = one === 'oldest' ? [...model.keys()][0] : one % (added + 2)
          if (ticket === undefined) continue
          expect(tickets.get(ticket)).toBe(model.get(ticket))
          expect(tickets.take(ticket)).toBe(model.get(ticket))
          model.delete(ticket)
        }
        expect(tickets.size).toBe(model.size)
      }
      expect([...tickets.entries()]).toEqual([...model])
    }),
    { numRuns: 200 },
  )
})

test('all that waits is taken at once, oldest first, and no number is given twice', () => {
  const tickets = new Tickets<string>()
  const numbers = ['a', 'b', 'c'].map((value) => tickets.add(value))
  tickets.take(numbers[1] as number)
  expect(tickets.takeAll()).toEqual(['a', 'c'])
  expect(tickets.size).toBe(0)
  expect([...tickets.entries()]).toEqual([])
  for (const number of numbers) expect(tickets.take(number)).toBeUndefined()
  const next = tickets.add('d')
  expect(numbers).not.toContain(next)
  expect(tickets.take(next)).toBe('d')
})

test('what is no number of it is nothing', () => {
  const tickets = new Tickets<string>()
  tickets.add('a')
  for (const ticket of [-1, 1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])
    expect(tickets.take(ticket)).toBeUndefined()
  expect(tickets.take(0)).toBe('a')
  expect(tickets.take(0)).toBeUndefined()
})
