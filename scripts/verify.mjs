// `npm run verify`: everything that is checked without running the system. All checks run, each says one line, and
// what failed is shown in full behind it.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const folders = ['packages', 'services', 'examples', 'test', 'bench', 'chaos'].filter((name) =>
  existsSync(name),
)
const CHECKS = [
  ['format and lint', 'biome', ['check', '--error-on-warnings', '--no-errors-on-unmatched']],
  ['strict types', 'tsc', ['--noEmit']],
  ['strict types of the page', 'tsc', ['--noEmit', '--project', 'packages/web/app']],
  [
    'import rules',
    'depcruise',
    ['--config', '.dependency-cruiser.mjs', '--output-type', 'err-long', ...folders],
  ],
  ['generated page of metrics', process.execPath, ['packages/metrics/scripts/generate.ts', '--check']],
  ['generated page of commands', process.execPath, ['packages/cli/scripts/generate.ts', '--check']],
  ['unused files, exports and dependencies', 'knip', ['--no-progress', '--no-config-hints']],
]

/** @returns {Promise<boolean>} whether it passed */
function run(name, command, args) {
  return new Promise((resolve) => {
    const begun = performance.now()
    let output = ''
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        PATH: `${join(process.cwd(), 'node_modules', '.bin')}${delimiter}${process.env.PATH}`,
        NO_COLOR: '1',
      },
    })
    const keep = (chunk) => {
      output += chunk
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    const end = (passed) => {
      const seconds = ((performance.now() - begun) / 1000).toFixed(1)
      process.stdout.write(`${passed ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)\n`)
      if (!passed) process.stdout.write(`${output.trimEnd()}\n`)
      resolve(passed)
    }
    child.once('error', (error) => {
      output += `${error.message}\n`
      end(false)
    })
    child.once('close', (code) => end(code === 0))
  })
}

let passed = true
for (const [name, command, args] of CHECKS) passed = (await run(name, command, args)) && passed
process.exitCode = passed ? 0 : 1
