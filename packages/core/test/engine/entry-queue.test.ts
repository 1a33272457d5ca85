import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EntryQueue, entryBefore } from '../../src/engine/entry-queue.ts'
import type { Entry } from '../../src/engine/records.ts'

const entryOf = (priority: number, order: number): Entry =>
  ({ task: { priority }, order, heapIndex: -1 }) as unknown as Entry

/** What is done to a queue: put in a new entry, take out the first, take one out of the middle, put back one that was taken out. */
const operations = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ op: fc.constant('new' as const), n: fc.integer({ min: 0, max: 3 }) }),
    },
    { weight: 3, arbitrary: fc.record({ op: fc.constant('first' as const), n: fc.constant(0) }) },
    fc.record({ op: fc.constant('any' as const), n: fc.nat() }),
    fc.record({ op: fc.constant('back' as const), n: fc.nat() }),
  ),
  { maxLength: 400 },
)

test('entries come out by priority, then in the order in which they came, whatever was taken out of the middle or put back', () => {
  fc.assert(
    fc.property(operations, (all) => {
      const queue = new EntryQueue()
      const inside: Entry[] = []
      const outside: Entry[] = []
      const take = (entry: Entry): void => {
        queue.remove(entry)
        expect(entry.heapIndex).toBe(-1)
        inside.splice(inside.indexOf(entry), 1)
        outside.push(entry)
      }
      let order = 0
      for (const { op, n } of all) {
        if (op === 'new') {
          const entry = entryOf(n, order++)
          queue.push(entry)
          inside.push(entry)
        } else if (op === 'back' && outside.length > 0) {
          const [entry] = outside.splice(n % outside.length, 1) as [Entry]
          queue.push(entry)
          inside.push(entry)
        } else if (op === 'any' && inside.length > 0) take(inside[n % inside.length] as Entry)
        else if (op === 'first' && inside.length > 0) take(queue.peek() as Entry)
        inside.sort((a, b) => (entryBefore(a, b) ? -1 : 1))
        expect(queue.size).toBe(inside.length)
        expect(queue.peek()).toBe(inside[0])
      }
      expect(new Set(queue.values())).toEqual(new Set(inside))
    }),
  )
})

test('a long line with gaps is closed up and keeps its order', () => {
  const queue = new EntryQueue()
  const entries = Array.from({ length: 5_000 }, (_, i) => entryOf(5, i))
  for (const entry of entries) queue.push(entry)
  const kept = entries.filter((_, i) => i % 10 === 3)
  for (const entry of entries) if (!kept.includes(entry)) queue.remove(entry)
  const out: Entry[] = []
  for (let entry = queue.peek(); entry; entry = queue.peek()) {
    out.push(entry)
    queue.remove(entry)
  }
  expect(out).toEqual(kept)
})
