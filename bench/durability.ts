// What it costs that less is lost: `npm run bench -- durability [options]`, under ten minutes. The same job with a broker that
// flushes every two minutes, every second and before each acknowledgement, and with three brokers that keep a copy each.
//
//   --tasks N      tasks of a throughput round (50,000)       --rounds N   rounds of each setting (3)
//   --probes N     lone tasks of a latency round (300)        --json       one JSON object instead of lines
//
// Compare figures of one run only. It does not measure: a network between the brokers, three disks (all three share one disk and
// the processors with everything else), and what a power cut really takes.
import { parseArgs } from 'node:util'
import { Child } from './processes/child.ts'
import { median, percentile } from './processes/statistics.ts'
import { type Durability, startProduct } from './product/system.ts'
import { Report } from './report.ts'
import { POOLS } from './scenarios/workload.ts'

const CAPABILITY = 'bench'
const WARM_UP_TASKS = 10_000
const WARM_UP_PROBES = 50
const BATCH = 100
const WINDOW = 10_000
const WORKERS = 100
const PAUSE_MS = 2

const SETTINGS: Record<string, Durability> = {
  'sync 2m': { sync: '2m', copies: 1 },
  'sync 1s': { sync: '1s', copies: 1 },
  'sync always': { sync: 'always', copies: 1 },
  'replicas 3, sync 1s': { sync: '1s', copies: 3 },
}

const { values } = parseArgs({
  options: {
    tasks: { type: 'string', default: '50000' },
    rounds: { type: 'string', default: '3' },
    probes: { type: 'string', default: '300' },
    json: { type: 'boolean', default: false },
  },
})
const tasks = Number(values.tasks)

interface Outcome {
  /** In messages of a hundred tasks. */
  tasksPerSecond: number
  /** Milliseconds from submission to result, one task at a time. */
  took: number[]
}

/** A system of its own: one runs at a time. */
async function measure(durability: Durability, report: Report): Promise<Outcome> {
  await using product = await startProduct(() => [], durability)
  const names = Array.from({ length: POOLS }, (_, i) => `bench-${i}`)
  const poolOptions = { names, capability: CAPABILITY, maxWorkers: WORKERS, workMs: 0 }
  await using _pools = await Child.start('product pools', product.url, poolOptions)
  await using client = await Child.start('product client', product.url, { capability: CAPABILITY })
  await client.call('throughput', { tasks: WARM_UP_TASKS, batchSize: BATCH, window: WINDOW })
  const round = await client.call('throughput', { tasks, batchSize: BATCH, window: WINDOW })
  report.exactlyOnce(`${durability.sync}, ${durability.copies} copies`, tasks, round)
  await client.call('latency', { probes: WARM_UP_PROBES, pauseMs: PAUSE_MS })
  const took = await client.call('latency', { probes: Number(values.probes), pauseMs: PAUSE_MS })
  return { tasksPerSecond: tasks / round.seconds, took }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
const output = values.json ? process.stderr : process.stdout
const report = new Report((line) => void output.write(`${line}\n`))
report.machine()
const outcomes: Record<string, Outcome[]> = {}
for (let round = 0; round < Number(values.rounds); round++)
  for (const [name, durability] of Object.entries(SETTINGS))
    outcomes[name] = [...(outcomes[name] ?? []), await measure(durability, report)]
report.durability(
  'sync 1s',
  Object.fromEntries(
    Object.entries(outcomes).map(([name, rounds]) => {
      const took = rounds.flatMap((round) => round.took)
      const speeds = rounds.map(({ tasksPerSecond }) => tasksPerSecond)
      return [name, { speeds, median: median(took), p99: percentile(took, 0.99), probes: took.length }]
    }),
  ),
)
if (values.json) process.stdout.write(`${report.json()}\n`)
process.exitCode = report.broken.length === 0 ? 0 : 1
