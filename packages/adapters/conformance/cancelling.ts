// Cancel does what the traits declare of it.
import type { Run } from '@poolmesh/core'
import { describe, expect } from 'vitest'
import type { Traits } from '../src/adapter.ts'
import { idOf, runOf } from './executor.ts'
import { check, expectAttempt, type Setting } from './setting.ts'
import type { Subject } from './subject.ts'

const only =
  (wanted: Traits['cancel']) =>
  ({ cancel }: Traits): boolean =>
    cancel === wanted

async function held(setting: Setting): Promise<Run> {
  const run = runOf(setting.pool.descriptor, 'hold')
  setting.executor.send(run)
  await setting.begun(run)
  return run
}

export function cancelling(subject: Subject): void {
  describe('cancel', () => {
    check(subject, {
      name: 'acknowledged: the pool is told to stop, and that it has is told as an answer',
      concerns: only('acknowledged'),
      run: async (setting) => {
        const { executor, pool } = setting
        const run = await held(setting)
        executor.adapter.cancel(pool.descriptor.name, idOf(run), 'no longer needed')
        const told = await executor.first(run)
        expect(told).toMatchObject({ answer: { kind: 'answer', answer: { status: 'cancelled' } } })
        expectAttempt(told, run)
        expect(await pool.stopped(idOf(run))).toBe(true)
        await executor.settle(pool.descriptor)
        expect(executor.told(run)).toHaveLength(1)
      },
    })

    check(subject, {
      name: 'requested: the pool is asked to stop',
      concerns: only('requested'),
      run: async (setting) => {
        const { executor, pool } = setting
        const run = await held(setting)
        executor.adapter.cancel(pool.descriptor.name, idOf(run), 'no longer needed')
        await setting.stopped(run)
      },
    })

    check(subject, {
      name: 'unsupported: nothing is told, and the pool goes on',
      concerns: only('unsupported'),
      run: async (setting) => {
        const { executor, pool } = setting
        const run = await held(setting)
        executor.adapter.cancel(pool.descriptor.name, idOf(run), 'no longer needed')
        await executor.settle(pool.descriptor)
        expect(executor.told(run)).toEqual([])
        expect(await pool.stopped(idOf(run))).toBe(false)
      },
    })

    check(subject, {
      name: 'of a task that was never sent: nothing happens',
      run: async ({ executor, pool }) => {
        const run = runOf(pool.descriptor, 'complete')
        executor.adapter.cancel(pool.descriptor.name, idOf(run), 'no longer needed')
        await executor.settle(pool.descriptor)
        expect(executor.told(run)).toEqual([])
      },
    })
  })
}
