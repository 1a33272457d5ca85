// The run's tables, as Markdown: what is printed is what can be kept.
import { availableParallelism, cpus, totalmem } from 'node:os'
import { median, percentile } from '../processes/statistics.ts'
import type { Compared } from './released.ts'
import { cpuOf, type Latencies, memoryOf, type Row, speedOf } from './rounds.ts'
import type { Found, Verdict } from './targets.ts'

const whole = (value: number): string => Math.round(value).toLocaleString('en-US')

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, i) => Math.max(cell.length, ...rows.map((row) => row[i]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (i === 0 || i === 1 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(' | ')} |`
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  return [line(head), rule, ...rows.map(line)].join('\n')
}

export const machine = (): string =>
  `${availableParallelism()} × ${cpus()[0]?.model ?? 'unknown processor'}, ${whole(totalmem() / 1024 ** 3)} GiB, Node ${process.versions.node}`

export function throughputTable(rows: readonly Row[], bestPeer: number): string {
  return table(
    ['system', 'row', 'tasks/s', 'rounds', 'CPU a task, µs', 'memory, MiB', 'of the best peer'],
    rows.map((row) => [
      row.system,
      row.row,
      whole(speedOf(row)),
      row.rounds.map(({ tasksPerSecond }) => whole(tasksPerSecond)).join(' '),
      cpuOf(row).toFixed(1),
      whole(memoryOf(row)),
      Number.isFinite(bestPeer) ? `${(speedOf(row) / bestPeer).toFixed(2)} ×` : '',
    ]),
  )
}

export function latencyTable(found: Record<string, Latencies>): string {
  const of = (values: readonly number[]): string[] =>
    [median(values), percentile(values, 0.99), percentile(values, 0.999)].map((ms) => ms.toFixed(2))
  return table(
    ['system', 'load', 'median, ms', 'p99', 'p99.9', 'tasks'],
    Object.entries(found).flatMap(([system, { offered, alone }]) => [
      [system, 'offered', ...of(offered), whole(offered.length)],
      [system, 'alone', ...of(alone), whole(alone.length)],
    ]),
  )
}

export const submitTable = (rates: Found['submit']): string =>
  table(
    ['system', '', 'stored a second'],
    Object.entries(rates).map(([system, rate]) => [system, '', whole(rate)]),
  )

export const verdictTable = (verdicts: readonly Verdict[]): string =>
  table(
    ['target', 'outcome', 'ratio', 'must', 'aim'],
    verdicts.map(({ what, ratio, must, aim, atMost, outcome }) => {
      const sign = atMost ? '≤' : '≥'
      const met = outcome === 'aim' ? 'aim met' : outcome === 'must' ? 'must met' : 'MISSED'
      return [what, met, ratio.toFixed(2), `${sign} ${must}`, `${sign} ${aim}`]
    }),
  )

export const comparedTable = (all: readonly Compared[]): string =>
  table(
    ['ratio', 'outcome', 'now', 'released'],
    all.map(({ what, now, released, hasFallen }) => [
      what,
      hasFallen ? 'FALLEN' : 'as fast',
      now.toFixed(2),
      released.toFixed(2),
    ]),
  )
