// poolmesh, the floor and other job queues at the same job, in one run: `npm run bench -- [options]`
//
//   --quick        fewer tasks and rounds                --rounds N   rounds of each system (3; quick: 1)
//   --tasks N      tasks of a round (poolmesh and floor 60,000, peers 20,000; quick: a third)
//   --only a,b     of the systems' names                 --json FILE  the figures as JSON, `-` for standard output
//   --write        puts the table into bench/RESULTS.md
//
// See bench/README.md for what the rows mean.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Row, tableOf } from './comparison-table.ts'
import { meter } from './processes/usage.ts'
import { type Contender, startContenders } from './scenarios/contenders.ts'

const LIBRARIES = ['bullmq', 'pg-boss', 'graphile-worker']
const WINDOW = 10_000
const LIMIT_MS = 600_000

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    tasks: { type: 'string' },
    only: { type: 'string' },
    json: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
})

const share = values.quick ? 3 : 1
const rounds = Number(values.rounds ?? (values.quick ? 1 : 3))
const tasksOf = ({ kind }: Contender): number =>
  Number(values.tasks ?? (kind.startsWith('peer') ? 20_000 : 60_000) / share)

async function round(contender: Contender, row: Row): Promise<void> {
  await using system = await contender.open()
  const tasks = tasksOf(contender)
  const job = { tasks, batchSize: contender.batchSize, window: WINDOW }
  // For the just-in-time compiler.
  await system.run({ ...job, tasks: Math.ceil(tasks / 5) })
  const used = meter(system.processes)
  const { seconds, results, distinct, completed } = await system.run(job)
  row.rounds.push({ tasksPerSecond: tasks / seconds, use: used(tasks) })
  if (results !== tasks || distinct !== tasks || completed !== tasks)
    row.broken.push(`of ${tasks} tasks ${distinct} have a result, ${results} came, ${completed} completed`)
}

async function compare(): Promise<void> {
  const say = (line: string): void =>
    void (values.json === '-' ? process.stderr : process.stdout).write(`${line}\n`)
  await using parts = new AsyncDisposableStack()
  const { all, versions, missing } = await startContenders(parts)
  const names = values.only?.split(',')
  const contenders = all.filter(({ name }) => names?.includes(name) ?? true)
  const rows: Row[] = contenders.map(({ name, kind }) => ({ name, kind, rounds: [], broken: [] }))
  const order = contenders.map((contender, i) => ({ contender, row: rows[i] as Row }))
  for (let i = 0; i < rounds; i++)
    // Every other round the other way round, so that nobody always comes after the same one.
    for (const { contender, row } of i % 2 ? order.toReversed() : order) await round(contender, row)
  for (const library of LIBRARIES) versions[library] = versionOf(library)
  const text = tableOf(rows, { versions, missing, rounds })
  say(text)
  if (values.json !== undefined) {
    const json = `${JSON.stringify({ at: new Date().toISOString(), versions, missing, rows }, null, 2)}\n`
    if (values.json === '-') process.stdout.write(json)
    else writeFileSync(values.json, json)
  }
  if (values.write) writeFileSync(join(import.meta.dirname, 'RESULTS.md'), `# Results\n\n${text}\n`)
  process.exitCode = rows.some(({ broken }) => broken.length > 0) ? 1 : 0
}

const versionOf = (library: string): string =>
  JSON.parse(
    readFileSync(join(import.meta.dirname, 'peers', 'node_modules', library, 'package.json'), 'utf8'),
  ).version

/** Ends the process; what it has started hears of that and ends too. */
function giveUp(why: string): never {
  process.stderr.write(`bench: ${why}\n`)
  process.exit(1)
}
setTimeout(() => giveUp(`not done after ${LIMIT_MS / 1000} s`), LIMIT_MS).unref()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => giveUp(signal))
await compare()
