// What an executor leaves behind is found by the next one as the traits declare it.
import type { Run } from '@poolmesh/core'
import { describe, expect, vi } from 'vitest'
import type { Traits } from '../src/adapter.ts'
import { again, idOf, runOf, WAITING } from './executor.ts'
import { check, type Setting } from './setting.ts'
import type { Subject } from './subject.ts'

const ANSWER_MS = 1_000

const only =
  (wanted: Traits['adoption']) =>
  ({ adoption }: Traits): boolean =>
    adoption === wanted

/** A run in the pool whose executor no longer dispatches. */
async function leftBehind(setting: Setting): Promise<Run> {
  const { executor, pool } = setting
  const run = runOf(pool.descriptor, 'hold', { attempt: 2 })
  executor.send(run)
  await setting.begun(run)
  executor.adapter.standBy()
  return run
}

/** It was begun once, nobody stopped it, and who stands by said nothing of it. */
async function undisturbed({ executor, pool }: Setting, run: Run): Promise<void> {
  expect(await pool.begun(idOf(run))).toBe(1)
  expect(await pool.stopped(idOf(run))).toBe(false)
  expect(executor.told(run)).toEqual([])
}

export function handover(subject: Subject): void {
  describe('a run of an executor that is gone', () => {
    check(subject, {
      name: 'by_id: another adopts it and is told its end',
      ability: 'adoption',
      concerns: only('by_id'),
      run: async (setting) => {
        const run = await leftBehind(setting)
        const other = await setting.another()
        other.adapter.adopt(again(run))
        await setting.pool.release(idOf(run))
        setting.expectCompleted(await other.first(run), run)
        await undisturbed(setting, run)
      },
    })

    check(subject, {
      name: 'by_id: it ended while nobody watched, and another that adopts it is told',
      ability: 'adoption',
      concerns: only('by_id'),
      run: async (setting) => {
        const run = await leftBehind(setting)
        await setting.pool.release(idOf(run))
        const other = await setting.another()
        await other.settle(setting.pool.descriptor)
        other.adapter.adopt(again(run))
        setting.expectCompleted(await other.first(run), run)
        await undisturbed(setting, run)
      },
    })

    check(subject, {
      name: 'by_id: adopted and cancelled, its pool is told to stop',
      ability: 'adoption',
      concerns: (traits) => only('by_id')(traits) && traits.cancel !== 'unsupported',
      run: async (setting) => {
        const run = await leftBehind(setting)
        const other = await setting.another()
        other.adapter.adopt(again(run))
        other.adapter.cancel(setting.pool.descriptor.name, idOf(run), 'no longer needed')
        await setting.stopped(run)
      },
    })

    check(subject, {
      name: 'by_id: one that the pool knows nothing of is lost',
      concerns: only('by_id'),
      run: async ({ executor, pool }) => {
        const run = runOf(pool.descriptor, 'complete', { attempt: 2 })
        executor.adapter.adopt(run)
        expect(await executor.first(run)).toEqual({ kind: 'lost', attempt: 2 })
        expect(await pool.begun(idOf(run))).toBe(0)
      },
    })

    check(subject, {
      name: 'listed: another gets it with the list, and is told its end',
      ability: 'adoption',
      concerns: only('listed'),
      run: async (setting) => {
        const { descriptor } = setting.pool
        const run = await leftBehind(setting)
        const other = await setting.another()
        const runs = (await other.adapter.running([descriptor], ANSWER_MS)).get(descriptor.name)
        expect(runs).toEqual([{ taskId: idOf(run), attempt: 2, startedAt: expect.any(Number) }])
        other.adapter.adopt(again(run))
        await setting.pool.release(idOf(run))
        setting.expectCompleted(await other.first(run), run)
        await undisturbed(setting, run)
      },
    })

    check(subject, {
      name: 'listed: it ended while nobody watched, and another that asks for the list is told',
      ability: 'adoption',
      concerns: only('listed'),
      run: async (setting) => {
        const { descriptor } = setting.pool
        const run = await leftBehind(setting)
        await setting.pool.release(idOf(run))
        const other = await setting.another()
        await vi.waitUntil(async () => {
          const runs = (await other.adapter.running([descriptor], ANSWER_MS)).get(descriptor.name)
          return runs?.length === 0
        }, WAITING)
        setting.expectCompleted(await other.first(run), run)
        await undisturbed(setting, run)
      },
    })

    check(subject, {
      name: 'not listed: a pool that tells of none is in no list, and adopting it says nothing',
      concerns: (traits) => only('none')(traits) && !traits.direct,
      run: async (setting) => {
        const run = await leftBehind(setting)
        const other = await setting.another()
        expect((await other.adapter.running([setting.pool.descriptor], ANSWER_MS)).size).toBe(0)
        other.adapter.adopt(again(run))
        await other.settle(setting.pool.descriptor)
        expect(other.told(run)).toEqual([])
        await undisturbed(setting, run)
      },
    })

    check(subject, {
      name: 'not listed, direct: its answer could come to that executor alone, and adopting it tells that it is lost',
      concerns: (traits) => only('none')(traits) && traits.direct === true,
      run: async (setting) => {
        const run = await leftBehind(setting)
        const other = await setting.another()
        expect((await other.adapter.running([setting.pool.descriptor], ANSWER_MS)).size).toBe(0)
        other.adapter.adopt(again(run))
        expect(other.told(run)).toEqual([])
        expect(await other.first(run)).toEqual({ kind: 'lost', attempt: 2 })
        await undisturbed(setting, run)
      },
    })
  })
}
