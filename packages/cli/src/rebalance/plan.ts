// Who gives workers to whom, and why, for people and programs.
import { keptWorkers, lackingWorkers, neededWorkers, rebalance, spareWorkers } from '@poolmesh/core'
import type { LookedAt } from './look.ts'

/** As `--json` prints it. */
export interface PlannedPool {
  pool: string
  pool_type: string
  /** Workers are moved between pools of one place. */
  place: string
  min_workers: number
  max_workers: number
  workers: number
  target_workers: number
  /** Tasks that run there. */
  running: number
  /** Tasks that can run there at the same time. */
  slots: number
  /** Tasks that wait and would run there. */
  waiting: number
  why: string
}

export interface Plan {
  pools: PlannedPool[]
  /** Workers that change their pool. */
  moved: number
  /** Why none does; null where some do. */
  nothing: string | null
}

export function planOf(looked: readonly LookedAt[]): Plan {
  const takingPart = looked.filter(({ leftOut }) => leftOut === null)
  const targets = new Map<LookedAt, number>()
  for (const place of new Set(takingPart.map(({ pool }) => pool.place))) {
    const there = takingPart.filter(({ pool }) => pool.place === place)
    const then = rebalance(there)
    for (const [i, one] of there.entries()) targets.set(one, then[i] ?? one.workers)
  }
  const pools = looked.map((one) => planned(one, targets.get(one) ?? one.workers))
  const moved = pools.reduce(
    (all, { workers, target_workers }) => all + Math.max(0, target_workers - workers),
    0,
  )
  return { pools, moved, nothing: moved > 0 ? null : whyNothing(takingPart) }
}

function planned(one: LookedAt, target: number): PlannedPool {
  const { pool, workers, min, max, running, waiting, tasksPerWorker } = one
  return {
    pool: pool.name,
    pool_type: pool.pool_type,
    place: pool.place,
    min_workers: min,
    max_workers: max,
    workers,
    target_workers: target,
    running,
    slots: Math.round(workers * tasksPerWorker),
    waiting,
    why: whyOf(one, target),
  }
}

function whyOf(one: LookedAt, target: number): string {
  if (one.leftOut !== null) return `left as it is: ${one.leftOut}`
  const { pinned } = one
  const why = reasonOf(one, target)
  return pinned === 0 ? why : `${why}; ${pinned} wait for one process of it`
}

function reasonOf(one: LookedAt, target: number): string {
  const { workers, waiting } = one
  const needed = neededWorkers(one)
  if (target > workers) return `${waiting} wait: gets ${target - workers}`
  if (target < workers) return `keeps ${keptWorkers(one)}: gives ${workers - target}`
  if (lackingWorkers(one) > 0) return `${waiting} wait, and nobody has a worker to spare`
  if (waiting > 0 && needed > workers) return `${waiting} wait, and it has all that it may have`
  if (spareWorkers(one) > 0) return 'has workers to spare, and nobody needs them'
  return 'has what it needs'
}

function whyNothing(takingPart: readonly LookedAt[]): string {
  if (takingPart.length === 0)
    return 'no pool can be scaled now: only those that pool_spawn made, or that have metadata.scaling, once they are registered and well'
  if (takingPart.every(({ waiting }) => waiting === 0)) return 'no task waits for a pool that can be scaled'
  const lacking = takingPart.filter((one) => lackingWorkers(one) > 0)
  if (lacking.length === 0)
    return 'what waits is for pools that have enough workers, or as many as they may have'
  return 'no pool has a worker to spare in the place of those that need one'
}
