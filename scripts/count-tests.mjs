// The closing line of `.ci/run`, counted from vitest's JSON reports: `N passed, N failed`, and `, N skipped` if any.
import { readFileSync } from 'node:fs'

/** A run that ended before it wrote its report counts as one failure: never as nothing to complain about. */
function readReport(file) {
  try {
    const report = JSON.parse(readFileSync(file, 'utf8'))
    // A file that cannot be loaded fails without a test of its own.
    const brokenFiles = report.testResults.filter(
      (suite) => suite.status === 'failed' && !suite.assertionResults.some((one) => one.status === 'failed'),
    ).length
    return {
      passed: report.numPassedTests,
      failed: report.numFailedTests + brokenFiles,
      skipped: report.numPendingTests + report.numTodoTests,
    }
  } catch {
    return { passed: 0, failed: 1, skipped: 0 }
  }
}

const reports = process.argv.slice(2).map(readReport)
const sum = (what) => reports.reduce((total, report) => total + report[what], 0)
const [passed, failed, skipped] = [sum('passed'), sum('failed'), sum('skipped')]
process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`)
process.exitCode = failed === 0 && passed > 0 ? 0 : 1
