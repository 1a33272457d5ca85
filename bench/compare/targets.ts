// What is aimed at, as ratios within one run, and what came of it.
import { percentile } from '../processes/statistics.ts'
import { AS_IT_IS, ROWS, SAME_JOB } from './contenders.ts'
import { cpuOf, type Latencies, type Row, speedOf } from './rounds.ts'

export interface Verdict {
  what: string
  ratio: number
  must: number
  aim: number
  /** Whether less is better. */
  atMost: boolean
  outcome: 'aim' | 'must' | 'missed'
}

export interface Found {
  rows: readonly Row[]
  latency: Record<string, Latencies>
  submit: Record<string, number>
}

const NOT_PEERS = ['poolmesh', 'poolmesh, fsync of every write', 'floor']
const isPeer = (system: string): boolean => !NOT_PEERS.includes(system)

export function verdicts({ rows, latency, submit }: Found): Verdict[] {
  const row = (system: string, name: string): Row | undefined =>
    rows.find((one) => one.system === system && one.row === name)
  const best = (name: string): Row | undefined =>
    rows.filter((one) => isPeer(one.system) && one.row === name).sort((a, b) => speedOf(b) - speedOf(a))[0]
  const peer = speedOf(best(SAME_JOB))
  const many = row('poolmesh', ROWS.many)
  const leastCpu = Math.min(...rows.filter((one) => isPeer(one.system) && one.row === SAME_JOB).map(cpuOf))
  const timed = Object.entries(latency).filter(([system]) => isPeer(system))
  const least = (share: number): number =>
    Math.min(...timed.map(([, { offered }]) => percentile(offered, share)))
  const ours = (share: number): number => percentile(latency['poolmesh']?.offered ?? [], share)
  const peerSubmits = Math.max(
    ...Object.entries(submit).flatMap(([name, rate]) => (isPeer(name) ? [rate] : [])),
  )
  const all: Omit<Verdict, 'outcome'>[] = [
    {
      what: 'submitMany, against the best peer at the same job',
      ratio: speedOf(many) / peer,
      must: 4,
      aim: 8,
      atMost: false,
    },
    {
      what: 'submitMany, against the fastest peer as it is',
      ratio: speedOf(many) / speedOf(best(AS_IT_IS)),
      must: 2.5,
      aim: 4,
      atMost: false,
    },
    {
      what: '500 callers of submit, against the best peer',
      ratio: speedOf(row('poolmesh', ROWS.callers)) / peer,
      must: 3,
      aim: 5,
      atMost: false,
    },
    {
      what: "callers' own ids, each task alone, against the best peer",
      ratio: speedOf(row('poolmesh', ROWS.named)) / peer,
      must: 1.5,
      aim: 2.2,
      atMost: false,
    },
    {
      what: 'fsync of every write, against the best peer at its defaults',
      ratio: speedOf(row('poolmesh, fsync of every write', ROWS.many)) / peer,
      must: 2,
      aim: 3,
      atMost: false,
    },
    {
      what: 'submitMany, against the floor',
      ratio: speedOf(many) / speedOf(row('floor', ROWS.many)),
      must: 0.5,
      aim: 0.8,
      atMost: false,
    },
    {
      what: 'latency at the offered load, median, against the best peer',
      ratio: ours(0.5) / least(0.5),
      must: 1.2,
      aim: 0.9,
      atMost: true,
    },
    {
      what: 'latency at the offered load, p99, against the best peer',
      ratio: ours(0.99) / least(0.99),
      must: 0.7,
      aim: 0.4,
      atMost: true,
    },
    {
      what: 'submit rate, against the best peer',
      ratio: (submit['poolmesh'] ?? Number.NaN) / peerSubmits,
      must: 4,
      aim: 8,
      atMost: false,
    },
    {
      what: 'CPU of all processes a task, against the best peer',
      ratio: cpuOf(many) / leastCpu,
      must: 0.3,
      aim: 0.15,
      atMost: true,
    },
  ]
  return all.filter(({ ratio }) => Number.isFinite(ratio)).map((one) => ({ ...one, outcome: outcomeOf(one) }))
}

function outcomeOf({ ratio, must, aim, atMost }: Omit<Verdict, 'outcome'>): Verdict['outcome'] {
  const meets = (target: number): boolean => (atMost ? ratio <= target : ratio >= target)
  return meets(aim) ? 'aim' : meets(must) ? 'must' : 'missed'
}
