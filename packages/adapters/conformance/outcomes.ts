// What becomes of a run is told, once, as the table in docs/adapters.md has it.
import { describe, expect } from 'vitest'
import { again, idOf, runOf } from './executor.ts'
import { check, expectAttempt } from './setting.ts'
import type { Subject } from './subject.ts'

export function outcomes(subject: Subject): void {
  describe('a run', () => {
    check(subject, {
      name: 'completes: its output is told once, with the number of the run',
      run: async (setting) => {
        const { executor, pool } = setting
        const run = runOf(pool.descriptor, 'complete', { attempt: 3 })
        executor.send(run)
        setting.expectCompleted(await executor.first(run), run)
        await executor.settle(pool.descriptor)
        expect(executor.told(run)).toHaveLength(1)
      },
    })

    check(subject, {
      name: 'fails: what the pool says of it is told',
      run: async ({ executor, pool }) => {
        const run = runOf(pool.descriptor, 'fail', { error: 'no paper' })
        executor.send(run)
        const told = await executor.first(run)
        expect(told).toMatchObject({
          answer: {
            kind: 'answer',
            answer: { status: 'failed', error: expect.stringContaining('no paper') },
          },
        })
        expectAttempt(told, run)
      },
    })

    check(subject, {
      name: 'among others that are sent in one go: each is told its own end',
      run: async (setting) => {
        const { executor, pool } = setting
        const runs = Array.from({ length: 4 }, () => runOf(pool.descriptor, 'complete'))
        executor.send(...runs)
        for (const run of runs) setting.expectCompleted(await executor.first(run), run)
      },
    })

    check(subject, {
      name: 'sent twice by its id and number: begun once',
      ability: 'runs_once',
      run: async (setting) => {
        const { executor, pool } = setting
        const run = runOf(pool.descriptor, 'hold')
        executor.send(run)
        await setting.begun(run)
        const other = await setting.another()
        other.send(again(run))
        await other.settle(pool.descriptor)
        await pool.release(idOf(run))
        setting.expectCompleted(await other.first(run), run)
        expect(await pool.begun(idOf(run))).toBe(1)
      },
    })

    check(subject, {
      name: 'with the next number: begun again, and told its own end',
      run: async (setting) => {
        const { executor, pool } = setting
        const first = runOf(pool.descriptor, 'fail', { error: 'no paper' })
        executor.send(first)
        await executor.first(first)
        const second = runOf(pool.descriptor, 'complete', { taskId: idOf(first), attempt: 2 })
        const other = await setting.another()
        other.send(second)
        setting.expectCompleted(await other.first(second), second)
        expect(await pool.begun(idOf(first))).toBe(2)
      },
    })

    check(subject, {
      name: 'answered with no result: invalid, and the reason names no address',
      ability: 'nonsense',
      run: async ({ executor, pool }) => {
        const run = runOf(pool.descriptor, 'nonsense')
        executor.send(run)
        const told = await executor.first(run)
        expect(told).toMatchObject({ answer: { kind: 'invalid', problem: expect.stringMatching(/\w/) } })
        expectAttempt(told, run)
        const host = URL.parse(pool.descriptor.endpoint ?? '')?.host
        if (host) expect(JSON.stringify(told)).not.toContain(host)
      },
    })

    check(subject, {
      name: 'not taken by its pool: POOL_REFUSED, and it was not begun',
      ability: 'refusal',
      run: async (setting) => {
        const { executor, pool } = setting
        const held = runOf(pool.descriptor, 'hold')
        executor.send(held)
        await setting.begun(held)
        await pool.takeNoMore()
        const run = runOf(pool.descriptor, 'complete')
        executor.send(run)
        const told = await executor.first(run)
        expect(told).toMatchObject({
          answer: { answer: { status: 'failed', metadata: { reason: 'POOL_REFUSED' } } },
        })
        expect(await pool.begun(idOf(run))).toBe(0)
        await pool.release(idOf(held))
        setting.expectCompleted(await executor.first(held), held)
      },
    })

    check(subject, {
      name: 'for a pool that is not there: gone',
      ability: 'gone',
      run: async ({ executor, pool }) => {
        await pool.kill()
        const run = runOf(pool.descriptor, 'complete', { attempt: 2 })
        executor.send(run)
        expect(await executor.first(run)).toEqual({ kind: 'gone', attempt: 2 })
      },
    })

    check(subject, {
      name: 'whose pool dies under it: lost',
      ability: 'lost',
      run: async (setting) => {
        const { executor, pool } = setting
        const run = runOf(pool.descriptor, 'hold', { attempt: 2 })
        executor.send(run)
        await setting.begun(run)
        await pool.kill()
        expect(await executor.first(run)).toEqual({ kind: 'lost', attempt: 2 })
      },
    })
  })
}
