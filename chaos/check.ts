// `node chaos/check.ts HISTORY`: holds a history to the promises. Exit code 1 when one is broken, 2 when there is none to read.
import { pathToFileURL } from 'node:url'
import { Checker } from './checker/checker.ts'
import { report } from './checker/report.ts'
import { readHistory } from './history/reader.ts'

/** @returns what to print, and the number of violations */
export async function check(path: string): Promise<{ text: string; violations: number }> {
  const checker = new Checker()
  for await (const event of readHistory(path)) checker.take(event)
  checker.finish()
  const violations = [...checker.counts.values()].reduce((sum, count) => sum + count, 0)
  return { text: report(checker), violations }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [, , path] = process.argv
  if (path === undefined) {
    process.stderr.write('node chaos/check.ts HISTORY\n')
    process.exit(2)
  }
  const { text, violations } = await check(path)
  process.stdout.write(text)
  process.exitCode = violations > 0 ? 1 : 0
}
