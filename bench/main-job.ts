// The main job on one machine, as in production: `npm run bench -- main [options]`, under three minutes.
//
//   --tasks N      tasks of a throughput round (100,000)      --rounds N   rounds of each system (3)
//   --batch N      tasks in a message (100)                   --window N   tasks in hand at most (10,000)
//   --workers N    max_workers of each of the five pools (100)
//   --only a,b     of plain, throughput, latency              --json       one JSON object instead of lines
//   --profile DIR  processor profiles of executor, pools and client
//
// It does not measure: a network, replicas, an fsync of every write, other payloads than 200 bytes, other systems.
import { parseArgs } from 'node:util'
import { startProduct } from './product/system.ts'
import { Report } from './report.ts'
import { besideFloor } from './scenarios/beside-floor.ts'
import { plainJobs } from './scenarios/plain-job.ts'

const PLAIN_TASKS = 20_000
const LIMIT_MS = 180_000
const PROFILED = new Set(['executor', 'pools', 'client'])

const { values } = parseArgs({
  options: {
    tasks: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '3' },
    batch: { type: 'string', default: '100' },
    window: { type: 'string', default: '10000' },
    workers: { type: 'string', default: '100' },
    only: { type: 'string', default: 'plain,throughput,latency' },
    profile: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
const wanted = new Set(values.only.split(','))
const execArgvOf = (name: string): string[] =>
  values.profile !== undefined && PROFILED.has(name)
    ? ['--cpu-prof', '--cpu-prof-dir', values.profile, '--cpu-prof-name', `${name}.cpuprofile`]
    : []

async function run(report: Report): Promise<void> {
  await using product = await startProduct(execArgvOf)
  if (wanted.has('plain')) await plainJobs(product.url, PLAIN_TASKS, report)
  if (wanted.has('throughput') || wanted.has('latency')) {
    const plan = {
      rounds: Number(values.rounds),
      throughput: wanted.has('throughput')
        ? { tasks: Number(values.tasks), batchSize: Number(values.batch), window: Number(values.window) }
        : null,
      latency: wanted.has('latency') ? { probes: 500, pauseMs: 2 } : null,
      maxWorkers: Number(values.workers),
      execArgvOf,
    }
    await besideFloor(product, plan, report)
  }
  report.logged(product.logged)
}

/** Ends the process; what it has started hears of that and ends too. */
function giveUp(why: string): never {
  process.stderr.write(`bench: ${why}\n`)
  process.exit(1)
}
setTimeout(() => giveUp(`not done after ${LIMIT_MS / 1000} s`), LIMIT_MS).unref()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => giveUp(signal))

const output = values.json ? process.stderr : process.stdout
const report = new Report((line) => void output.write(`${line}\n`))
report.machine()
try {
  await run(report)
  if (values.json) process.stdout.write(`${report.json()}\n`)
  process.exitCode = report.broken.length === 0 ? 0 : 1
} catch (error) {
  process.stderr.write(`bench: ${(error as Error).stack ?? error}\n`)
  process.exitCode = 1
}
