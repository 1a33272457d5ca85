// An adapter that stands by or is disposed leaves its pools alone, and keeps nothing open.
import { describe, expect } from 'vitest'
import { idOf, runOf } from './executor.ts'
import { Opened } from './opened.ts'
import { check } from './setting.ts'
import type { Subject } from './subject.ts'

export function leaving(subject: Subject): void {
  describe('an adapter', () => {
    check(subject, {
      name: 'serves its own pools, and not those of another kind',
      run: async ({ executor: { adapter }, pool: { descriptor } }) => {
        expect(adapter.serves(descriptor)).toBe(true)
        const others = (['nats', 'mahavishnu', 'session_buddy', 'kubernetes'] as const).filter(
          (pool_type) => pool_type !== descriptor.pool_type,
        )
        const { endpoint: _, ...rest } = descriptor
        expect(others.filter((pool_type) => adapter.serves({ ...rest, pool_type }))).toEqual([])
      },
    })

    check(subject, {
      name: 'declares what it was said to declare',
      run: async ({ executor: { adapter }, pool: { descriptor } }) => {
        expect(adapter.traits(descriptor)).toEqual(subject.traits)
      },
    })

    check(subject, {
      name: 'stands by: it tells no pool to stop, and nothing of what it had sent',
      run: async (setting) => {
        const { executor, pool } = setting
        const run = runOf(pool.descriptor, 'hold')
        executor.send(run)
        await setting.begun(run)
        executor.adapter.standBy()
        const other = await setting.another()
        await other.settle(pool.descriptor)
        expect(await pool.stopped(idOf(run))).toBe(false)
        await pool.release(idOf(run))
        await other.settle(pool.descriptor)
        expect(executor.told(run)).toEqual([])
      },
    })

    check(subject, {
      name: 'acts again after it stood by',
      run: async (setting) => {
        const { executor, pool } = setting
        executor.adapter.standBy()
        await executor.adapter.act()
        const run = runOf(pool.descriptor, 'complete')
        executor.send(run)
        setting.expectCompleted(await executor.first(run), run)
      },
    })

    check(subject, {
      name: 'is disposed with a run under way: no pool is told to stop, no timer and no socket is left',
      run: async (setting) => {
        const { executor, pool } = setting
        // What opens once and stays, such as a name look-up, opens now.
        await executor.settle(pool.descriptor)
        executor[Symbol.dispose]()
        using opened = new Opened()
        const other = await setting.another()
        const run = runOf(pool.descriptor, 'hold')
        other.send(run)
        await setting.begun(run)
        other[Symbol.dispose]()
        expect(await pool.stopped(idOf(run))).toBe(false)
        await pool.release(idOf(run))
        const third = await setting.another()
        await third.settle(pool.descriptor)
        third[Symbol.dispose]()
        expect(await opened.inTheEnd()).toEqual({})
        expect(other.told(run)).toEqual([])
      },
    })
  })
}
