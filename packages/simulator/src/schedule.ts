// What a seed stands for: who takes part, what is submitted and what goes wrong when. The rest follows from it.
import type { DistributedTask } from '@poolmesh/types'
import type { PoolSpec } from './pool.ts'
import { Random } from './random.ts'
import type { Submission } from './submitter.ts'

/** `at` and `ms` in virtual milliseconds: when it begins and how long it lasts. */
export interface Fault {
  readonly at: number
  readonly kind: FaultKind
  /** A process, `dispatcher` for the executor that dispatches then, or `broker`. */
  readonly target: string
  readonly ms: number
}

export const FAULT_KINDS = [
  'kill',
  'stop',
  'pause',
  'cut',
  'late',
  'broker restart',
  'power loss',
  'answers lost',
  'reordered',
  'doubled',
  'redelivered',
] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

export interface Schedule {
  readonly seed: number
  /** Whether the broker's disk has what it acknowledged; else what it did in the last second may be lost with the power. */
  readonly syncsAlways: boolean
  readonly executors: number
  readonly distributors: number
  /** Tasks that wait in an executor's memory, a lane: with few of them, tasks are parked. */
  readonly windowTasks: number
  readonly pools: readonly PoolSpec[]
  readonly submissions: readonly Submission[]
  readonly faults: readonly Fault[]
}

/** For so long things are submitted and go wrong (virtual ms). */
const BUSY_MS = 20_000
const CAPABILITIES = ['cpu', 'gpu']

export function scheduleOf(seed: number): Schedule {
  const random = new Random(seed, 1)
  const pools = poolsOf(random)
  const shape = {
    seed,
    syncsAlways: random.chance(0.5),
    executors: random.int(2, 3),
    distributors: random.int(1, 2),
    windowTasks: random.chance(0.3) ? 4 : 1_000,
    pools,
  }
  const { executors, distributors } = shape
  return {
    ...shape,
    submissions: submissionsOf(new Random(seed, 2), pools),
    faults: faultsOf(new Random(seed, 3), { executors, distributors, pools }),
  }
}

function poolsOf(random: Random): PoolSpec[] {
  return Array.from({ length: random.int(2, 4) }, (_, i) => ({
    name: `pool-${i + 1}`,
    kind: random.chance(0.5) ? ('worker' as const) : ('plain' as const),
    workers: random.int(1, 3),
    // One at least has each.
    capabilities: i < 2 || random.chance(0.5) ? CAPABILITIES : ['cpu'],
    obeys: random.chance(0.5),
    beats: random.chance(0.5),
  }))
}

function submissionsOf(random: Random, pools: readonly PoolSpec[]): Submission[] {
  const submissions = Array.from({ length: random.int(4, 16) }, (_, n): Submission => {
    const kind = random.next()
    const fanOut = kind < 0.2
    const alone = fanOut || kind < 0.55
    const bare = alone && random.chance(0.2)
    const chosen = bare || random.chance(0.4)
    const id = chosen ? `task-${n}` : `pm_batch${n}`
    const count = alone ? 1 : random.int(2, 5)
    const tasks = Array.from({ length: count }, (_, i) =>
      taskOf(random, alone ? id : `${id}-${i}`, fanOut ? pools : null),
    )
    const cancels = tasks.flatMap((_, index) =>
      random.chance(0.15) ? [{ afterMs: random.skewed(0, 6_000), index }] : [],
    )
    return { at: random.int(0, BUSY_MS), id, tasks, alone, bare, cancels }
  })
  return submissions.sort((a, b) => a.at - b.at)
}

function taskOf(random: Random, id: string, pools: readonly PoolSpec[] | null): DistributedTask {
  const aggregations = ['first_success', 'all_success', 'majority', 'quorum'] as const
  return {
    task_id: id,
    task_type: random.pick(['a', 'b']),
    payload: {},
    required_capabilities: pools || random.chance(0.6) ? [] : [random.pick(CAPABILITIES)],
    routing_strategy: random.pick(['least_loaded', 'round_robin', 'affinity'] as const),
    timeout: random.int(1, 10),
    queue_timeout: random.chance(0.1) ? random.int(1, 3) : 60,
    priority: random.pick([1, 5, 5, 20, 60]),
    max_attempts: random.int(1, 3),
    idempotent: false,
    metadata: {},
    ...(pools && {
      fan_out: {
        pools: pools.filter((_, i) => i === 0 || random.chance(0.8)).map(({ name }) => name),
        aggregation: random.pick(aggregations),
        max_parallel: random.int(1, 4),
      },
    }),
  } as DistributedTask
}

interface Parties {
  readonly executors: number
  readonly distributors: number
  readonly pools: readonly PoolSpec[]
}

function faultsOf(random: Random, { executors, distributors, pools }: Parties): Fault[] {
  const numbered = (what: string, count: number): string[] =>
    Array.from({ length: count }, (_, i) => `${what}-${i + 1}`)
  const executor = ['dispatcher', 'dispatcher', ...numbered('executor', executors)]
  const services = [...executor, ...numbered('distributor', distributors)]
  const all = [...services, ...pools.map(({ name }) => name), 'submitter']
  const killable = [...services, ...pools.map(({ name }) => name)]
  const faults = Array.from({ length: random.int(1, 7) }, (): Fault => {
    const at = random.int(500, BUSY_MS)
    const kind = random.pick(FAULT_KINDS)
    const fault = (target: string, ms: number): Fault => ({ at, kind, target, ms })
    switch (kind) {
      case 'kill':
        return fault(random.pick(killable), random.skewed(50, 8_000))
      case 'stop':
        return fault(random.pick(services), random.skewed(50, 4_000))
      case 'pause':
        return fault(random.pick(killable), random.skewed(20, 25_000))
      case 'cut':
        return fault(random.pick(all), random.skewed(0, 6_000))
      case 'late':
        return fault(random.pick(all), random.skewed(5, 6_000))
      case 'broker restart':
      case 'power loss':
        return fault('broker', random.skewed(100, 10_000))
      default:
        return fault('broker', random.skewed(100, 5_000))
    }
  })
  return faults.sort((a, b) => a.at - b.at)
}
