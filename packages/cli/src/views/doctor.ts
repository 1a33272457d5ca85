import { type Column, wrap } from '@poolmesh/terminal'
import type { Finding } from '../doctor/finding.ts'

export const FINDING_COLUMNS: Column<Finding>[] = [
  { title: 'check', value: ({ check }) => check, widest: 30, whole: true },
  { title: 'is', value: ({ outcome }) => outcome, widest: 4, whole: true },
  { title: 'found', value: ({ found }) => found, widest: 100 },
]

export const ADVICE_COLUMN: Column<Finding> = {
  title: 'what to do',
  value: ({ advice }) => advice ?? '-',
  widest: 200,
}

/** Below the table, in full: a narrow terminal would cut what matters most. */
export const formatAdvice = (findings: readonly Finding[], width: number | undefined): string =>
  findings
    .filter(({ advice }) => advice !== null)
    .map(
      ({ check, outcome, found, advice }) =>
        `\n${wrap(`${outcome}: ${check}: ${found}`, width)}\n${wrap(`  ${advice}`, width, '  ')}\n`,
    )
    .join('')
