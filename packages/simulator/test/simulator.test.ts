// A thousand schedules hold; the same seed is the same schedule; and a broken part is found.
import { describe, expect, test } from 'vitest'
import { scheduleOf, select, shrink, VARIANTS, World } from '../src/index.ts'

const SEEDS = 1_000
/** Far more than it takes, for a machine that is busy with other things. */
const LIMIT_MS = 300_000

test('a thousand schedules break no rule, and everything drains', { timeout: LIMIT_MS }, async () => {
  const broken: string[] = []
  let faults = 0
  let tasks = 0
  for (let seed = 1; seed <= SEEDS; seed++) {
    const outcome = await new World(scheduleOf(seed)).run()
    if (outcome.violation !== null) broken.push(`seed ${seed}: ${outcome.violation}`)
    faults += outcome.faults.length
    tasks += outcome.tasks
  }
  expect(broken).toEqual([])
  // They are no empty runs.
  expect(faults).toBeGreaterThan(2 * SEEDS)
  expect(tasks).toBeGreaterThan(10 * SEEDS)
})

test('the same seed gives the same trace, and another one another', async () => {
  const traceOf = async (seed: number): Promise<readonly string[]> =>
    (await new World(scheduleOf(seed), {}, true).run()).trace
  const first = await traceOf(7)
  expect(first.length).toBeGreaterThan(50)
  expect(await traceOf(7)).toEqual(first)
  expect(await traceOf(8)).not.toEqual(first)
})

describe('a broken part is found within a thousand seeds:', () => {
  test.for(Object.entries(VARIANTS))('%s', { timeout: LIMIT_MS }, async ([, variant]) => {
    let violation: string | null = null
    for (let seed = 1; seed <= SEEDS && violation === null; seed++)
      violation = (await new World(scheduleOf(seed), variant).run()).violation
    expect(violation).toMatch(/^[SD]\d: /)
  })
})

test('what is left of a shortened schedule breaks the same rule, the same way each time', async () => {
  const variant = VARIANTS['ack-before-store'] ?? {}
  const schedule = scheduleOf(1)
  const whole = await new World(schedule, variant).run()
  expect(whole.violation).toMatch(/^S2: /)
  const { selection, outcome } = await shrink(schedule, variant, whole)
  expect(outcome.violation).toMatch(/^S2: /)
  expect(selection.submissions.length).toBeLessThan(schedule.submissions.length)
  expect(outcome.trace.at(-1)).toContain('VIOLATION S2')
  expect((await new World(select(schedule, selection), variant, true).run()).trace).toEqual(outcome.trace)
})
