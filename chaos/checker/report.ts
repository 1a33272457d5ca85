// The checker's findings, for people.
import type { Checker } from './checker.ts'
import { RULES, type Rule, type Task } from './model.ts'
import { add } from './statistics.ts'
import { table, whole } from './table.ts'

const KINDS: Record<Task['kind'], string> = {
  s: 'short',
  l: 'long',
  f: 'fails always',
  r: 'fails once',
  c: 'to be cancelled',
  o: 'fan-out',
  b: 'branch',
}
const STATUSES = ['completed', 'failed', 'timeout', 'cancelled'] as const

const seconds = (ms: number): string => (ms / 1_000).toFixed(2)
function middle(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length / 2
  return sorted.length % 2 === 1
    ? (sorted[Math.floor(half)] as number)
    : ((sorted[half - 1] ?? 0) + (sorted[half] ?? 0)) / 2
}

export function report(checker: Checker): string {
  const parts = [
    head(checker),
    kinds(checker),
    executions(checker),
    pools(checker),
    recovery(checker),
    verdict(checker),
  ]
  return parts.join('\n')
}

function head({ head, statistics, tasks }: Checker): string {
  const s = statistics
  let acknowledged = 0
  let results = 0
  for (const task of tasks.values()) {
    if (task.ackedAt !== null) acknowledged++
    if (task.seen > 0) results++
  }
  const faults = [...s.faults.values()].reduce((sum, count) => sum + count, 0)
  const drained =
    s.calmAt === null ? '-' : `the last result ${seconds(s.lastResultAt - s.calmAt)} s after the last fault`
  const inFlight =
    s.samples.length > 0 ? `${whole(middle(s.samples))} (least ${whole(Math.min(...s.samples))})` : '-'
  const shown = (counts: Map<string, number>): string =>
    [...counts].map(([key, count]) => `${key} ${count}`).join(', ') || 'none'
  return [
    `seed ${head?.seed}, ${head?.minutes} min, ${head?.cluster ? 'three servers' : 'one server'}, sync ${head?.sync}${head?.variant ? `, variant ${head.variant}` : ''}`,
    `faults                ${faults}`,
    `tasks acknowledged    ${whole(acknowledged)} in ${whole(s.messages)} messages; ${whole(s.refused)} publishes refused as there already`,
    `results               ${whole(results)}, one a task; ${whole(s.redelivered)} messages delivered again to the reader`,
    `in flight             ${inFlight}`,
    `drained               ${drained}; ${s.unacknowledged} messages of ended tasks left to be acknowledged again`,
    `asked                 ${whole(s.statuses)} times for a status, ${whole(s.cancels)} times to cancel`,
    `submissions given up  ${shown(s.failures)}`,
    `ended by themselves   ${shown(s.exits)}`,
    `history               ${whole(s.lines)} lines`,
    '',
  ].join('\n')
}

function kinds({ tasks }: Checker): string {
  const counts = new Map<string, number>()
  for (const task of tasks.values()) {
    if (task.kind === 'b' || !task.result) continue
    add(counts, `${task.kind} ${task.result[1]}`)
  }
  const rows = (Object.keys(KINDS) as Task['kind'][])
    .filter((kind) => kind !== 'b')
    .map((kind) => [KINDS[kind], ...STATUSES.map((status) => counts.get(`${kind} ${status}`) ?? 0)])
  return table(['tasks by kind and end', ...STATUSES], rows)
}

/** Branches of fan-outs are counted with the tasks here: each runs somewhere. */
function executions({ tasks, statistics }: Checker): string {
  const byRuns = new Map<number, number>()
  const why = new Map<string, number>()
  for (const task of tasks.values()) {
    if (task.kind === 'o') continue
    const runs = Math.min(task.runs, 5)
    byRuns.set(runs, (byRuns.get(runs) ?? 0) + 1)
    if (task.runs < 2) continue
    const reasons = new Set(task.result?.[5] ?? [])
    if (task.kind === 'f') reasons.add('HANDLER_ERROR')
    for (const reason of reasons) add(why, reason)
    if (reasons.size === 0) add(why, task.kind === 'b' ? 'a branch: not said' : 'not said')
  }
  const rows = [...byRuns]
    .sort(([a], [b]) => a - b)
    .map(([runs, count]) => [runs === 5 ? '5 or more' : String(runs), count])
  const reasons = [...why].sort(([, a], [, b]) => b - a)
  return [
    table(['runs that were begun', 'tasks'], rows),
    table(['of those with more than one: why', 'tasks'], reasons),
    `  runs with the number of an earlier run of the task: ${whole(statistics.sameNumber)}\n`,
  ].join('\n')
}

function pools({ slots, jobs, head }: Checker): string {
  const rows = [...slots.summary()].map(({ name, slots, peak, begun }) => [name, slots, peak, begun])
  const { all, done } = jobs.survivors
  const about = `  Jobs that ran when the executor that dispatches was hit: ${all}, of which ${done} went on and completed\n`
  return table(['pool', 'slots', 'most at a time', 'runs begun'], rows) + (head?.jobs?.length ? about : '')
}

function recovery({ recovery }: Checker): string {
  const rows = recovery.rows().map(({ kind, count, recovered, never, longestDownMs }) => {
    const longest = recovered.toSorted((a, b) => b.ms - a.ms)[0]
    return [
      kind,
      count,
      seconds(longestDownMs),
      longest ? seconds(middle(recovered.map(({ ms }) => ms))) : '-',
      longest ? seconds(longest.ms) : '-',
      longest ? seconds(longest.at) : '-',
      never,
    ]
  })
  const titles = [
    'recovery from (s)',
    'faults',
    'longest down',
    'median',
    'longest',
    'of the fault at',
    'not seen',
  ]
  return table(titles, rows)
}

function verdict({ counts, violations }: Checker): string {
  const rows = (Object.keys(RULES) as Rule[]).map((rule) => [RULES[rule], counts.get(rule) ?? 0])
  const shown = violations.map(({ rule, what, at }) => `  ${rule} at ${seconds(at)} s: ${what}\n`)
  return [table(['violations', 'count'], rows), ...shown].join('')
}
