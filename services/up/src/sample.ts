// The sample of `npm start`, through the client as any program would: submitted, explained, awaited, shown.
import { createDistributedPoolSystem, type DistributedPoolSystem } from '@poolmesh/client'
import { type Column, formatTable } from '@poolmesh/terminal'
import type { DistributedTaskInput, DistributedTaskResult, ExplainReply } from '@poolmesh/types'
import { oneLine } from './run-process.ts'
import { type SampleTask, sampleTasks } from './sample-tasks.ts'

/** Longer than any of it takes: a start must not hang on a sample that does not end. */
const SAMPLE_TIMEOUT_S = 15

interface Row {
  title: string
  pool: string
  why: string
  status: string
  ms: string
  summary: string
}

const COLUMNS: Column<Row>[] = [
  { title: 'task', value: (row) => row.title, widest: 32 },
  { title: 'pool', value: (row) => row.pool, widest: 20 },
  { title: 'why there', value: (row) => row.why, widest: 26 },
  { title: 'status', value: (row) => row.status, widest: 10 },
  { title: 'ms', value: (row) => row.ms, widest: 6, align: 'right' },
  { title: 'result', value: (row) => row.summary, widest: 60 },
]

export interface SampleOptions {
  server: string
  token: string | undefined
  poolNames: readonly string[]
  write(text: string): void
}

/** Submits the sample and writes its results as a table. Nothing that goes wrong in it stops the start. */
export async function runSample(options: SampleOptions): Promise<void> {
  const begun = performance.now()
  try {
    await using system = await createDistributedPoolSystem({
      servers: options.server,
      token: options.token,
      name: 'poolmesh-sample',
    })
    const rows = await Promise.all(sampleTasks(options.poolNames).map((sample) => runOne(system, sample)))
    const ms = Math.round(performance.now() - begun)
    options.write(
      `\nA sample of ${rows.length} tasks over ${options.poolNames.join(' and ')}, in ${ms} ms:\n\n`,
    )
    options.write(`${formatTable(COLUMNS, rows)}\n`)
  } catch (error) {
    options.write(`The sample could not be run: ${oneLine(error)}\n`)
  }
}

async function runOne(system: DistributedPoolSystem, sample: SampleTask): Promise<Row> {
  const begun = performance.now()
  const task = { timeout: SAMPLE_TIMEOUT_S, ...sample.task }
  const handle = system.executor.submit(task)
  const why = task.fan_out
    ? Promise.resolve(`fan-out, ${task.fan_out.aggregation}`)
    : system.executor.explainTask(task).then((reply) => reasonOf(task, reply))
  const result = await handle.result({ signal: AbortSignal.timeout(2_000 * SAMPLE_TIMEOUT_S) })
  return {
    title: sample.title,
    pool: result.pool_name ?? (task.fan_out ? 'both' : '-'),
    why: await why.catch(oneLine),
    status: result.status,
    ms: (performance.now() - begun).toFixed(0),
    summary: summaryOf(sample, result),
  }
}

/** Why the pool that took it was the one. */
function reasonOf(task: DistributedTaskInput, { candidates, strategy }: ExplainReply): string {
  if (strategy === null) return '-'
  const fit = candidates.filter(({ verdict }) => verdict !== 'unfit')
  return fit.length === 1 && candidates.length > 1
    ? `only one with ${task.required_capabilities?.join(', ')}`
    : `${strategy.replaceAll('_', ' ')} of ${fit.length}`
}

const summaryOf = (sample: SampleTask, result: DistributedTaskResult): string =>
  result.output ? sample.summary(result.output) : (result.error ?? '-')
