import { type DistributedPoolSystem, PoolmeshError } from '@poolmesh/client'
import { plain } from '@poolmesh/terminal'
import { diskFindings } from '../doctor/disk.ts'
import { type Finding, fail } from '../doctor/finding.ts'
import { serverFindings } from '../doctor/server.ts'
import { serviceFindings } from '../doctor/services.ts'
import { storageFindings } from '../doctor/storage.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { printList } from '../list.ts'
import type { ListOptions } from '../options.ts'
import { print, terminalWidth } from '../output.ts'
import { withSystem } from '../system.ts'
import { ADVICE_COLUMN, FINDING_COLUMNS, formatAdvice } from '../views/doctor.ts'

/** @throws PoolmeshError INVALID_SETTING, INVALID_INPUT */
export async function diagnose(options: ListOptions): Promise<ExitCode> {
  const { findings, reached } = await examine(options)
  printList(options, {
    columns: options.format === 'markdown' ? [...FINDING_COLUMNS, ADVICE_COLUMN] : FINDING_COLUMNS,
    rows: findings,
    json: { findings },
    nothing: 'nothing was checked',
  })
  if (options.format === 'table') print(plain(formatAdvice(findings, terminalWidth())))
  if (!reached) return EXIT.unreachable
  return findings.some(({ outcome }) => outcome === 'fail') ? EXIT.notCompleted : EXIT.done
}

async function examine(options: ListOptions): Promise<{ findings: Finding[]; reached: boolean }> {
  try {
    const findings = await withSystem(options, async (system: DistributedPoolSystem) => [
      ...(await serverFindings(system)),
      ...(await storageFindings(system)),
      ...(await diskFindings(options)),
      ...(await serviceFindings(system)),
    ])
    return { findings, reached: true }
  } catch (error) {
    if (!(error instanceof PoolmeshError && error.code === 'UNAVAILABLE')) throw error
    // The message says what to do behind its first sentence.
    const [, found = error.message, advice = ''] = /^(.*?\))\. (.*)$/s.exec(error.message) ?? []
    return { findings: [fail('server', found, advice)], reached: false }
  }
}
