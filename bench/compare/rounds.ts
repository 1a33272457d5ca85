// Rounds of all contenders in turn, every second time in the opposite order, so that a machine that others use too is as slow
// for each.
import { median } from '../processes/statistics.ts'
import { meter, type ProcessUse } from '../processes/usage.ts'
import type { Contender } from './contenders.ts'

interface RowRound {
  tasksPerSecond: number
  cpuMicrosPerTask: number
  use: Record<string, ProcessUse>
}

export interface Row {
  system: string
  row: string
  tasks: number
  rounds: RowRound[]
}

export interface Latencies {
  /** Milliseconds. */
  offered: number[]
  alone: number[]
}

export interface Plan {
  rounds: number
  /** Tasks of a round, by system and row. */
  tasksOf(system: string, row: string): number
  offered: { perSecond: number; seconds: number }
  alone: { probes: number; pauseMs: number }
  submit(system: string): number
  /** Called with what is about to be measured. */
  begins(what: string): void
}

export async function inTurn<Item>(
  items: readonly Item[],
  rounds: number,
  run: (item: Item) => Promise<void>,
): Promise<void> {
  for (let i = 0; i < rounds; i++)
    for (const item of i % 2 === 0 ? items : [...items].reverse()) await run(item)
}

/** @throws where a task has no result, or one too many */
export async function throughputRows(
  contenders: readonly Contender[],
  { rounds, tasksOf, begins }: Plan,
): Promise<Row[]> {
  const rows = contenders.flatMap((contender) =>
    Object.entries(contender.rows).map(([row, run]) => ({ contender, row, run, done: [] as RowRound[] })),
  )
  for (const { contender, row, run } of rows) {
    begins(`${contender.name}, ${row}: warm-up`)
    await run(Math.ceil(tasksOf(contender.name, row) / 4))
  }
  await inTurn(rows, rounds, async ({ contender, row, run, done }) => {
    begins(`${contender.name}, ${row}: round ${done.length + 1}`)
    const tasks = tasksOf(contender.name, row)
    const used = meter(contender.processes)
    const { seconds, results, distinct, completed } = await run(tasks)
    if (results !== tasks || distinct !== tasks || completed !== tasks)
      throw new Error(
        `${contender.name}, ${row}: of ${tasks} tasks ${distinct} have a result, ${results} came`,
      )
    const use = used(tasks)
    const cpuMicrosPerTask = Object.values(use).reduce((sum, one) => sum + one.cpuMicrosPerTask, 0)
    done.push({ tasksPerSecond: tasks / seconds, cpuMicrosPerTask, use })
  })
  return rows.map(({ contender, row, done }) => ({
    system: contender.name,
    row,
    tasks: tasksOf(contender.name, row),
    rounds: done,
  }))
}

export async function latencies(
  contenders: readonly Contender[],
  { rounds, offered, alone, begins }: Plan,
): Promise<Record<string, Latencies>> {
  const timed = contenders.flatMap(({ name, latency }) => (latency ? [{ name, latency }] : []))
  const found: Record<string, Latencies> = {}
  for (const { name, latency } of timed) {
    begins(`${name}: latency, warm-up`)
    found[name] = { offered: [], alone: [] }
    await latency.latency({ ...alone, probes: 50 })
  }
  await inTurn(timed, rounds, async ({ name, latency }) => {
    begins(`${name}: latency`)
    found[name]?.offered.push(...(await latency.offered(offered)))
    found[name]?.alone.push(...(await latency.latency(alone)))
  })
  return found
}

/** Tasks a second that are stored, nobody running them. */
export async function submitRates(
  contenders: readonly Contender[],
  { submit, begins }: Plan,
): Promise<Record<string, number>> {
  const rates: Record<string, number> = {}
  for (const { name, submitOnly } of contenders) {
    begins(`${name}: submitting alone`)
    if (submitOnly) rates[name] = submit(name) / (await submitOnly(submit(name)))
  }
  return rates
}

export const speedOf = (row: Row | undefined): number =>
  median(row?.rounds.map(({ tasksPerSecond }) => tasksPerSecond) ?? [])
export const cpuOf = (row: Row | undefined): number =>
  median(row?.rounds.map(({ cpuMicrosPerTask }) => cpuMicrosPerTask) ?? [])
export const memoryOf = (row: Row): number =>
  Object.values(row.rounds.at(-1)?.use ?? {}).reduce((sum, { rssMiB }) => sum + rssMiB, 0)
