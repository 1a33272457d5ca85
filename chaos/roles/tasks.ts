// The tasks that are submitted: most are short, so that the long ones run among many.
import type { DistributedTaskInput, RoutingStrategy } from '@poolmesh/types'
import type { Kind } from '../history/events.ts'
import type { Random } from '../nemesis/random.ts'
import { poolsOf } from '../system/population.ts'

const KINDS: Record<Exclude<Kind, 'c' | 'o'>, number> = { s: 82, l: 5, f: 4, r: 9 }
const STRATEGIES: Record<RoutingStrategy, number> = {
  least_loaded: 4,
  round_robin: 2,
  capability_based: 2,
  affinity: 1,
  region_aware: 1,
}
const AGGREGATIONS = ['first_success', 'all_success', 'majority', 'quorum'] as const
const NEEDS = { any: 6, worker: 3, plain: 1.5 }
/** Each Job is a process that has to start: few of them, and so long that some run whenever an executor is killed. */
const ADAPTED_NEEDS = { ...NEEDS, http: 1.5, jobs: 0.12 }
const JOB_MS = [200, 3_000] as const
const DURATIONS: Record<Kind, readonly [number, number]> = {
  s: [2, 80],
  l: [1_000, 6_000],
  f: [2, 50],
  r: [2, 50],
  c: [1_000, 5_000],
  o: [5, 300],
}
/**
 * Longer than a run with the longest pause in it. A run that nobody hears of again keeps its slot as long, so no longer than
 * half of the time for draining.
 */
const TIMEOUT_S = 25
const QUEUE_TIMEOUT_S = 600

/** @param adapters whether there are pools of other kinds */
export function newTask(random: Random, adapters: boolean, kind?: Kind): DistributedTaskInput {
  const k = kind ?? random.weighted(KINDS)
  const task: DistributedTaskInput = {
    task_type: `chaos.${k}`,
    payload: { k, ms: Math.round(random.between(...DURATIONS[k])) },
    timeout: TIMEOUT_S,
    queue_timeout: QUEUE_TIMEOUT_S,
    priority: random.chance(0.9) ? 5 : Math.floor(random.between(0, 60)),
    max_attempts: k === 'r' ? 5 : k === 'f' ? Math.floor(random.between(1, 4)) : 1,
  }
  if (k === 'o')
    return { ...task, fan_out: { pools: branches(random, adapters), aggregation: random.pick(AGGREGATIONS) } }
  const need = random.weighted<string>(adapters ? ADAPTED_NEEDS : NEEDS)
  const ms = need === 'jobs' ? { ms: Math.round(random.between(...JOB_MS)) } : {}
  return {
    ...task,
    payload: { ...task.payload, ...ms },
    required_capabilities: [need],
    routing_strategy: random.weighted(STRATEGIES),
  }
}

/** With Jobs among them not all of the time. */
function branches(random: Random, adapters: boolean): string[] | 'all' {
  const named = poolsOf(adapters)
    .filter(({ capabilities }) => random.chance(capabilities.includes('any') ? 0.5 : 0.05))
    .map(({ name }) => name)
  return named.length > 0 && random.chance(adapters ? 0.95 : 0.8) ? named : 'all'
}
