import { GCProfiler, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SlotMap } from '../src/index.ts'

const key = fc.constantFrom('a', 'b', 'c', 'd')
const step = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), key, value: fc.nat() }),
  fc.record({ kind: fc.constantFrom('take' as const, 'delete' as const, 'clear' as const), key }),
)

test('it holds what a Map would, in its order', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const map = new Map<string, { n: number }>()
      const slots = new SlotMap<string, { n: number }>()
      for (const one of steps) {
        if (one.kind === 'set') {
          map.set(one.key, { n: one.value })
          slots.set(one.key, { n: one.value })
        } else if (one.kind === 'clear') {
          map.clear()
          slots.clear()
        } else if (one.kind === 'take') {
          expect(slots.take(one.key)).toEqual(map.get(one.key))
          map.delete(one.key)
        } else expect(slots.delete(one.key)).toBe(map.delete(one.key))
        expect([...slots.entries()]).toEqual([...map])
        expect([...slots.values()]).toEqual([...map.values()])
        expect(slots.size).toBe(map.size)
        expect(slots.get('a')).toEqual(map.get('a'))
        expect(slots.has('b')).toBe(map.has('b'))
      }
    }),
  )
})

test('what is deleted while it is walked is left out, what comes is not', () => {
  const slots = new SlotMap<string, number>()
  for (const [i, name] of ['a', 'b', 'c'].entries()) slots.set(name, i)
  const seen: string[] = []
  for (const [name] of slots.entries()) {
    seen.push(name)
    if (name !== 'a') continue
    slots.delete('b')
    slots.set('d', 3)
  }
  expect(seen).toEqual(['a', 'c', 'd'])
})

setFlagsFromString('--expose-gc')
/** A full collection: what is there belongs to the old generation then. */
const collect = runInNewContext('gc') as () => void

/** Of the bytes that the scavenger looked at, the share that it copied. */
function survivors(pass: (key: string, value: object) => void): number {
  const profiler = new GCProfiler()
  for (let i = 0; i < 1_000; i++) pass(`before-${i}`, new Array(100).fill(i))
  collect()
  profiler.start()
  for (let i = 0; i < 200_000; i++) pass(`key-${i}`, new Array(100).fill(i))
  let looked = 0
  let copied = 0
  for (const { gcType, beforeGC, afterGC } of profiler.stop()?.statistics ?? []) {
    if (gcType !== 'Scavenge') continue
    const young = (of: typeof beforeGC): number =>
      of.heapSpaceStatistics.find(({ spaceName }) => spaceName === 'new_space')?.spaceUsedSize ?? 0
    looked += young(beforeGC)
    copied += young(afterGC)
  }
  expect(looked).toBeGreaterThan(10 ** 7)
  return copied / looked
}

test('what has left it is not kept by the tables that it left behind', () => {
  const slots = new SlotMap<string, object>()
  const keys: string[] = []
  const share = survivors((key, value) => {
    slots.set(key, value)
    keys.push(key)
    if (keys.length > 3) slots.delete(keys.shift() as string)
  })
  // Through a Map it is about half.
  expect(share).toBeLessThan(0.2)
})
