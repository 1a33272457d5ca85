// poolmesh beside its peers and its floor, in one run: `npm run bench [-- options]`, under five minutes; `--quick` under one.
//
//   --rounds N     rounds of each row (3; 1 with --quick)      --json FILE   all figures as JSON; `-` for standard output
//   --only a,b     of throughput, latency, submit              --write       the tables to bench/RESULTS.md
//   --check        fails where a ratio to the floor or to a peer is 20 % below bench/released.json
//   --release      writes bench/released.json anew
//
// What the rows mean, how the peers are set up and what is not measured: bench/README.md.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  AS_IT_IS,
  type Contender,
  ROWS,
  SAME_JOB,
  startPeers,
  startPoolmesh,
  startTheFloor,
} from './contenders.ts'
import { compared, ratiosOf, readReleased, writeReleased } from './released.ts'
import { latencies, type Plan, type Row, speedOf, submitRates, throughputRows } from './rounds.ts'
import { comparedTable, latencyTable, machine, submitTable, throughputTable, verdictTable } from './tables.ts'
import { type Found, verdicts } from './targets.ts'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    only: { type: 'string', default: 'throughput,latency,submit' },
    json: { type: 'string' },
    write: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    release: { type: 'boolean', default: false },
  },
})
const wanted = new Set(values.only.split(','))
/** Of a round of a row: it takes a few seconds. */
const ROW_LIMIT_MS = 90_000

/** About two seconds each on two cores. */
const TASKS: Record<string, number> = {
  [`poolmesh ${ROWS.many}`]: 150_000,
  [`poolmesh ${ROWS.callers}`]: 60_000,
  [`poolmesh ${ROWS.named}`]: 40_000,
  [`poolmesh, fsync of every write ${ROWS.many}`]: 80_000,
  [`floor ${ROWS.many}`]: 200_000,
  [`bullmq ${SAME_JOB}`]: 15_000,
  [`bullmq ${AS_IT_IS}`]: 20_000,
  [`pg-boss ${SAME_JOB}`]: 24_000,
  [`pg-boss ${AS_IT_IS}`]: 30_000,
  [`graphile-worker ${SAME_JOB}`]: 12_000,
  [`graphile-worker ${AS_IT_IS}`]: 40_000,
}
const SUBMITTED: Record<string, number> = { poolmesh: 200_000, floor: 400_000 }
/** For whoever has to know what hangs. */
let measuring = 'the start'
const rowLimit = setTimeout(
  () => giveUp(`not done after ${ROW_LIMIT_MS / 1000} s: ${measuring}`),
  ROW_LIMIT_MS,
)
rowLimit.unref()
const share = values.quick ? 0.25 : 1
const plan: Plan = {
  rounds: Number(values.rounds ?? (values.quick ? 1 : 3)),
  tasksOf: (system, row) =>
    Math.max(1_000, Math.round(((TASKS[`${system} ${row}`] ?? 10_000) * share) / 1_000) * 1_000),
  offered: { perSecond: 500, seconds: values.quick ? 2 : 4 },
  alone: { probes: values.quick ? 100 : 200, pauseMs: 2 },
  submit: (system) => (SUBMITTED[system] ?? 40_000) * share,
  begins: (what) => {
    measuring = what
    rowLimit.refresh()
  },
}
const say = (text: string): void =>
  void (values.json === '-' ? process.stderr : process.stdout).write(`${text}\n`)
const sections: string[] = []
const show = (heading: string, table: string): void => {
  sections.push(`## ${heading}\n\n${table}\n`)
  say(`\n${heading}\n\n${table}`)
}

async function compare(): Promise<Found> {
  await using parts = new AsyncDisposableStack()
  const own = [await startPoolmesh(parts), await startTheFloor(parts)]
  const durable = wanted.has('throughput') ? [await startPoolmesh(parts, 'always')] : []
  const { peers, missing } = await startPeers(parts)
  const all: Contender[] = [...own, ...durable, ...peers]
  const versions = all.map(({ name, version }) => `${name}: ${version}`).join('; ')
  const head = `${machine()}. ${versions}. Medians of ${plan.rounds} rounds in turn.`
  sections.push(`Printed by \`npm run bench\` on ${new Date().toISOString().slice(0, 10)}: ${head}\n`)
  for (const line of [head, ...missing]) say(line)
  sections.push(...missing.map((line) => `${line}\n`))
  const found: Found = { rows: [], latency: {}, submit: {} }
  if (wanted.has('throughput')) {
    const rows = await throughputRows(all, plan)
    const best = Math.max(...rows.filter((row) => row.row === SAME_JOB).map((row: Row) => speedOf(row)))
    show('Throughput: submitted, run, result stored, submitter told', throughputTable(rows, best))
    found.rows = rows
  }
  if (wanted.has('latency')) {
    found.latency = await latencies(all, plan)
    show(`Latency at ${plan.offered.perSecond} tasks a second, and alone`, latencyTable(found.latency))
  }
  if (wanted.has('submit')) {
    found.submit = await submitRates(all, plan)
    show('Submitting alone: nobody runs them', submitTable(found.submit))
  }
  return found
}

async function check(found: Found): Promise<void> {
  const { at, ratios } = await readReleased()
  const all = compared(ratiosOf(found), ratios)
  show(`Ratios, beside those released on ${at}`, comparedTable(all))
  if (all.length < Object.keys(ratios).length) say('the others were not measured in this run')
  if (all.length === 0 || all.some(({ hasFallen }) => hasFallen)) process.exitCode = 1
}

function giveUp(why: string): never {
  process.stderr.write(`bench: ${why}\n`)
  process.exit(1)
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => giveUp(signal))

try {
  const begun = performance.now()
  const found = await compare()
  const judged = verdicts(found)
  if (judged.length > 0) show('Targets', verdictTable(judged))
  say(`\n${((performance.now() - begun) / 1000).toFixed(0)} s`)
  const json = `${JSON.stringify({ at: new Date().toISOString(), machine: machine(), ...found, verdicts: judged }, null, 1)}\n`
  if (values.json === '-') process.stdout.write(json)
  else if (values.json !== undefined) await writeFile(values.json, json)
  if (values.check) await check(found)
  if (values.release) await writeReleased(ratiosOf(found))
  if (values.write)
    await writeFile(join(import.meta.dirname, '..', 'RESULTS.md'), `# Results\n\n${sections.join('\n')}`)
} catch (error) {
  process.stderr.write(`bench: ${(error as Error).stack ?? error}\n`)
  process.exitCode = 1
}
