// Makes the schedule of a violation smaller: without what is not needed for it, as long as the same rule is broken.
import type { Schedule } from './schedule.ts'
import type { Variant } from './variant.ts'
import { type Outcome, World } from './world.ts'

/** Which of a seed's faults and submissions take part, by their numbers. */
export interface Selection {
  readonly faults: readonly number[]
  readonly submissions: readonly number[]
}

export const everything = (schedule: Schedule): Selection => ({
  faults: schedule.faults.map((_, i) => i),
  submissions: schedule.submissions.map((_, i) => i),
})

export const select = (schedule: Schedule, { faults, submissions }: Selection): Schedule => ({
  ...schedule,
  faults: schedule.faults.filter((_, i) => faults.includes(i)),
  submissions: schedule.submissions.filter((_, i) => submissions.includes(i)),
})

const ruleOf = (violation: string): string => violation.slice(0, violation.indexOf(':'))

/**
 * @param outcome what the whole schedule ended in: a violation
 * @returns what is left, and its outcome with the trace
 */
export async function shrink(
  schedule: Schedule,
  variant: Variant,
  outcome: Outcome,
): Promise<{ selection: Selection; outcome: Outcome }> {
  const rule = ruleOf(outcome.violation ?? '')
  const fails = async (selection: Selection): Promise<boolean> => {
    const { violation } = await new World(select(schedule, selection), variant).run()
    return violation !== null && ruleOf(violation) === rule
  }
  let selection = everything(schedule)
  for (const what of ['faults', 'submissions'] as const)
    selection = {
      ...selection,
      [what]: await fewest(selection[what], (kept) => fails({ ...selection, [what]: kept })),
    }
  return { selection, outcome: await new World(select(schedule, selection), variant, true).run() }
}

/** Leaves out halves, then quarters, and so on to single ones, until none can be left out (delta debugging). */
async function fewest(
  all: readonly number[],
  fails: (kept: readonly number[]) => Promise<boolean>,
): Promise<readonly number[]> {
  let kept = all
  for (let size = Math.ceil(kept.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2))
    for (let from = 0; from < kept.length; ) {
      const fewer = kept.filter((_, i) => i < from || i >= from + size)
      if (await fails(fewer)) kept = fewer
      else from += size
    }
  return kept
}
