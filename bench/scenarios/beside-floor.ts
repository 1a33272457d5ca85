// Throughput through `submitMany` and latency of lone tasks, beside the floor: rounds in turn, so that a noisy machine
// is as noisy for both.
import { startFloor } from '../floor/system.ts'
import { Child } from '../processes/child.ts'
import { meter, type Processes, type ProcessUse } from '../processes/usage.ts'
import type { System } from '../product/system.ts'
import type { Report } from '../report.ts'
import { type ClientCommands, type LatencyJob, POOLS, type ThroughputJob } from './workload.ts'

const CAPABILITY = 'bench'
/** Enough for the just-in-time compiler. */
const WARM_UP_TASKS = 20_000

export interface Contender {
  name: 'poolmesh' | 'floor'
  processes: Processes
  client: ClientCommands
}

export interface Round {
  tasksPerSecond: number
  results: number
  distinct: number
  completed: number
  use: Record<string, ProcessUse>
}

export interface Plan {
  rounds: number
  throughput: ThroughputJob | null
  latency: LatencyJob | null
  /** Of each of the product's pools; the floor has no limit. */
  maxWorkers: number
  execArgvOf: (name: string) => string[]
}

/** @param product a running system without other pools */
export async function besideFloor(product: System, plan: Plan, report: Report): Promise<void> {
  await using parts = new AsyncDisposableStack()
  const floor = parts.use(await startFloor(POOLS))
  const contenders = [await poolmeshOf(product, plan, parts), await floorOf(floor, parts)]
  const { throughput, latency } = plan
  if (throughput) {
    for (const { client } of contenders)
      await client.throughput({ ...throughput, tasks: Math.min(WARM_UP_TASKS, throughput.tasks) })
    const rounds = await inTurn(contenders, plan.rounds, (one) => throughputRound(one, throughput))
    report.throughput(throughput, rounds)
  }
  if (latency) {
    for (const { client } of contenders) await client.latency({ ...latency, probes: 100 })
    const rounds = await inTurn(contenders, plan.rounds, ({ client }) => client.latency(latency))
    report.latency(latency, { poolmesh: rounds.poolmesh.flat(), floor: rounds.floor.flat() })
  }
}

async function poolmeshOf(system: System, plan: Plan, parts: AsyncDisposableStack): Promise<Contender> {
  const names = Array.from({ length: POOLS }, (_, i) => `bench-${i}`)
  const options = { names, capability: CAPABILITY, maxWorkers: plan.maxWorkers, workMs: 0 }
  const pools = parts.use(await Child.start('product pools', system.url, options, plan.execArgvOf('pools')))
  const client = parts.use(
    await Child.start('product client', system.url, { capability: CAPABILITY }, plan.execArgvOf('client')),
  )
  const processes = { ...system.processes, pools: pools.pid, client: client.pid }
  return {
    name: 'poolmesh',
    processes,
    client: {
      throughput: (job: ThroughputJob) => client.call('throughput', job),
      latency: (job: LatencyJob) => client.call('latency', job),
    },
  }
}

async function floorOf(system: System, parts: AsyncDisposableStack): Promise<Contender> {
  const pools = parts.use(await Child.start('floor pools', system.url, { pools: POOLS }))
  const client = parts.use(await Child.start('floor client', system.url, {}))
  const processes = { ...system.processes, pools: pools.pid, client: client.pid }
  return {
    name: 'floor',
    processes,
    client: {
      throughput: (job: ThroughputJob) => client.call('throughput', job),
      latency: (job: LatencyJob) => client.call('latency', job),
    },
  }
}

async function inTurn<Outcome>(
  contenders: readonly Contender[],
  rounds: number,
  run: (contender: Contender) => Promise<Outcome>,
): Promise<Record<Contender['name'], Outcome[]>> {
  const outcomes: Record<Contender['name'], Outcome[]> = { poolmesh: [], floor: [] }
  for (let i = 0; i < rounds; i++)
    for (const contender of contenders) outcomes[contender.name].push(await run(contender))
  return outcomes
}

async function throughputRound({ client, processes }: Contender, job: ThroughputJob): Promise<Round> {
  const used = meter(processes)
  const { seconds, ...counts } = await client.throughput(job)
  return { tasksPerSecond: job.tasks / seconds, ...counts, use: used(job.tasks) }
}
