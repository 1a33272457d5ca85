import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { InOrder } from '../src/in-order.ts'

test('of each name one after the other in the order asked, no more than so much at once, all of it done', async () => {
  const work = fc.array(fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd'), fails: fc.boolean() }), {
    maxLength: 60,
  })
  await fc.assert(
    fc.asyncProperty(
      work,
      fc.integer({ min: 1, max: 5 }),
      fc.scheduler(),
      async (items, atOnce, scheduler) => {
        const inOrder = new InOrder(atOnce, 1_000)
        const begun = new Map<string, number[]>()
        const running = new Set<string>()
        const outcomes = items.map(({ name, fails }, index) =>
          inOrder
            .run(name, async () => {
              expect(running.has(name)).toBe(false)
              running.add(name)
              expect(running.size).toBeLessThanOrEqual(atOnce)
              begun.set(name, [...(begun.get(name) ?? []), index])
              await scheduler.schedule(Promise.resolve())
              running.delete(name)
              if (fails) throw new Error('fails')
              return index
            })
            .catch(() => 'failed'),
        )
        const all = Promise.all(outcomes)
        await scheduler.waitFor(all)
        expect(await all).toEqual(items.map(({ fails }, index) => (fails ? 'failed' : index)))
        for (const indexes of begun.values()) expect(indexes).toEqual(indexes.toSorted((a, b) => a - b))
        await inOrder.idle()
      },
    ),
  )
})

test('thousands that wait keep their order', async () => {
  const inOrder = new InOrder(2)
  const order: number[] = []
  await Promise.all(
    Array.from({ length: 10_000 }, (_, i) => inOrder.run(`n${i}`, async () => void order.push(i))),
  )
  expect(order).toEqual(Array.from({ length: 10_000 }, (_, i) => i))
})

test('what is too much is refused, and what is done makes room', async () => {
  const inOrder = new InOrder(1, 1)
  const { promise: end, resolve } = Promise.withResolvers<void>()
  const first = inOrder.run('a', () => end)
  const second = inOrder.run('b', async () => 'b')
  await expect(inOrder.run('c', async () => {})).rejects.toMatchObject({ code: 'OVERLOADED' })
  resolve()
  await first
  expect(await second).toBe('b')
  expect(await inOrder.run('c', async () => 'c')).toBe('c')
})
