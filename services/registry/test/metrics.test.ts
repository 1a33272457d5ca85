import { expect, test } from 'vitest'
import { PoolChanges } from '../src/metrics.ts'

test('changes of capacity are counted, but not what was there at the start', () => {
  const changes = new PoolChanges()
  changes.upserted('old', 4)
  changes.removed('gone before')
  changes.ready()
  expect(changes.counts).toEqual({ added: 0, removed: 0, grown: 0, shrunk: 0 })
  changes.upserted('new', 2)
  // Registered again as it was, which is no change.
  changes.upserted('old', 4)
  changes.upserted('old', 8)
  changes.upserted('old', 1)
  changes.removed('old')
  changes.removed('old')
  expect(changes.counts).toEqual({ added: 1, removed: 1, grown: 1, shrunk: 1 })
  changes.upserted('old', 1)
  expect(changes.counts.added).toBe(2)
})
