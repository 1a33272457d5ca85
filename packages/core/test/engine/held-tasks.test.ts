import fc from 'fast-check'
import { expect, test } from 'vitest'
import { HeldTasks } from '../../src/engine/held-tasks.ts'
import type { Batch, Entry } from '../../src/engine/records.ts'

/** Ids that look like each other's: batches, their tasks, and tasks alone that are named like a batch's. */
const BATCHES = ['a', 'b', 'a-1', 'b-01', 'c-']
const NAMES = [
  ...BATCHES.flatMap((id) => [id, `${id}-0`, `${id}-1`, `${id}-01`, `${id}-199`, `${id}-1000`]),
  'x',
]

const operations = fc.array(
  fc.record({
    op: fc.constantFrom('add', 'delete', 'forget'),
    batch: fc.constantFrom(...BATCHES),
    name: fc.constantFrom(...NAMES),
  }),
  { maxLength: 60 },
)

test('a task is found by its id and by no other, in whatever batch it is, until it is deleted or its batch forgotten', () => {
  fc.assert(
    fc.property(operations, (all) => {
      const batches = new Map<string, Batch<null>>()
      const held = new HeldTasks(batches)
      const model = new Map<string, Entry>()
      for (const { op, batch: id, name } of all) {
        const found = model.get(name)
        if (op === 'add' && !found) {
          const batch =
            batches.get(id) ?? ({ id, entries: [], seats: [], own: null } as unknown as Batch<null>)
          batches.set(id, batch)
          const entry = { batch, task: { task_id: name } } as unknown as Entry
          batch.entries.push(entry)
          held.add(entry)
          model.set(name, entry)
        } else if (op === 'delete' && found) {
          held.delete(found)
          model.delete(name)
        } else if (op === 'forget') {
          const batch = batches.get(id)
          if (!batch) continue
          held.forget(batch)
          batches.delete(id)
          for (const [key, entry] of model) if (entry.batch === batch) model.delete(key)
        }
        for (const key of NAMES) expect(held.find(key)).toBe(model.get(key))
      }
    }),
    { numRuns: 2_000 },
  )
})
