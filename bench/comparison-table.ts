// The table of a comparison and the targets that it can tell of, as Markdown.
import { availableParallelism, cpus } from 'node:os'
import { median } from './processes/statistics.ts'
import type { ProcessUse } from './processes/usage.ts'
import type { Contender } from './scenarios/contenders.ts'

export interface Row {
  name: string
  kind: Contender['kind']
  rounds: { tasksPerSecond: number; use: Record<string, ProcessUse> }[]
  /** Promises that were not kept. */
  broken: string[]
}

interface Circumstances {
  versions: Record<string, string>
  missing: readonly string[]
  rounds: number
}

const whole = (value: number): string => Math.round(value).toLocaleString('en-US')
const speedsOf = (row: Row): number[] => row.rounds.map((round) => round.tasksPerSecond)
const speedOf = (row: Row): number => median(speedsOf(row))
const sumOf = (row: Row, field: keyof ProcessUse): number =>
  median(row.rounds.map(({ use }) => Object.values(use).reduce((sum, one) => sum + one[field], 0)))

/** The fastest of those, if there are any. */
const best = (rows: Row[]): Row | undefined => rows.toSorted((a, b) => speedOf(b) - speedOf(a))[0]
const ratio = (value: number, other: number | undefined): string =>
  other === undefined ? '–' : (value / other).toFixed(2)

export function tableOf(rows: readonly Row[], { versions, missing, rounds }: Circumstances): string {
  const peer = best(rows.filter(({ kind }) => kind === 'peer, the same job'))
  const floor = rows.find(({ kind }) => kind === 'floor')
  const lines = rows.map((row) => {
    const speed = speedOf(row)
    const [lowest, highest] = [Math.min(...speedsOf(row)), Math.max(...speedsOf(row))]
    const cells = [
      row.kind.startsWith('peer') ? `${row.name}${row.kind.slice('peer'.length)}` : row.name,
      whole(speed),
      `${whole(lowest)} to ${whole(highest)}`,
      ratio(speed, peer && speedOf(peer)),
      ratio(speed, floor && speedOf(floor)),
      sumOf(row, 'cpuMicrosPerTask').toFixed(0),
      whole(sumOf(row, 'rssMiB')),
    ]
    return `| ${cells.join(' | ')} |`
  })
  const processes = rows.map((row) => {
    const use = Object.entries(row.rounds.at(-1)?.use ?? {})
    const each = use.map(([name, one]) => `${name} ${one.cpuMicrosPerTask.toFixed(1)}`)
    return `- ${row.name}, ${row.kind}: ${each.join(', ')}`
  })
  const broken = rows.flatMap((row) => row.broken.map((what) => `BROKEN ${row.name}, ${row.kind}: ${what}`))
  const server = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  const machine = `${availableParallelism()} × ${cpus()[0]?.model ?? 'unknown processor'}`
  return [
    `${new Date().toISOString().slice(0, 16)} UTC, ${machine}, Node ${process.versions.node}, ${server.join(', ')}`,
    `Rounds of each system, in turn: ${rounds}. Medians.`,
    ...missing.map((why) => `Left out: ${why}`),
    '',
    '| system | tasks/s | lowest to highest | × best peer | × floor | CPU µs a task | memory MiB |',
    '|---|---|---|---|---|---|---|',
    ...lines,
    '',
    'CPU µs a task by process, in the last round:',
    '',
    ...processes,
    '',
    ...targetsOf(rows, peer, floor),
    ...broken,
  ].join('\n')
}

/** The targets that throughput and processor time tell of; none where poolmesh or its measure did not run. */
function targetsOf(rows: readonly Row[], peer: Row | undefined, floor: Row | undefined): string[] {
  const own = rows.find(({ kind }) => kind === 'poolmesh')
  const bare = best(rows.filter(({ kind }) => kind === 'peer, as it is'))
  if (!own) return []
  const against = (other: Row | undefined, value: (row: Row) => number): number | null =>
    other ? value(own) / value(other) : null
  const cpu = (row: Row): number => sumOf(row, 'cpuMicrosPerTask')
  const targets = [
    { what: 'throughput × the best peer', is: against(peer, speedOf), must: 4, aim: 8 },
    { what: 'throughput × the fastest as it is', is: against(bare, speedOf), must: 2.5, aim: 4 },
    { what: 'throughput × the floor', is: against(floor, speedOf), must: 0.5, aim: 0.8 },
    { what: 'CPU a task × the best peer, at most', is: against(peer, cpu), must: 0.3, aim: 0.15 },
  ]
  const lines = targets.map(({ what, is, must, aim }) => {
    // Where the aim is lower than what must be, less is better.
    const meets = (limit: number): boolean => is !== null && (aim < must ? is <= limit : is >= limit)
    const verdict =
      is === null ? 'not measured' : meets(aim) ? 'met aim' : meets(must) ? 'met must' : 'missed'
    return `| ${what} | ${must} | ${aim} | ${is?.toFixed(2) ?? '–'} | ${verdict} |`
  })
  return ['| target | must | aim | is | |', '|---|---|---|---|---|', ...lines]
}
