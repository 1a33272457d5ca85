// Moves workers from pools that have more than they need to pools that have work waiting.
//
// Invariants:
//  R1  the sum of the workers stays as it is
//  R2  no pool gets below its `min` or above its `max` by it, or farther outside where it is outside
//  R3  a pool gives only workers that run nothing and that neither its tasks nor those that wait for it need, and gets only
//      what those that wait need
//  R4  once a plan is carried out, the same tasks make no other plan
import { apportion } from './apportion.ts'

export interface WorkerDemand {
  /** Workers that it has now. */
  workers: number
  min: number
  max: number
  /** Tasks that one worker runs at the same time, on average; more than 0. */
  tasksPerWorker: number
  /** Tasks that run there now. */
  running: number
  /** Workers that run at least one of them. */
  busy: number
  /** Tasks that wait and would run there. */
  waiting: number
}

/** Workers that all its tasks need, those that run and those that wait, whatever its limits. */
export const neededWorkers = ({ running, waiting, tasksPerWorker }: WorkerDemand): number =>
  Math.ceil((running + waiting) / tasksPerWorker)

/** Workers that the pool keeps: its `min`, what its tasks need, and those that run something. */
export const keptWorkers = (pool: WorkerDemand): number => Math.max(pool.min, neededWorkers(pool), pool.busy)

/** Workers that can be taken from the pool. */
export const spareWorkers = (pool: WorkerDemand): number => Math.max(0, pool.workers - keptWorkers(pool))

/** Workers that the pool lacks for what waits, and may have by its `max`. */
export const lackingWorkers = (pool: WorkerDemand): number =>
  pool.waiting === 0 ? 0 : Math.max(0, Math.min(pool.max, neededWorkers(pool)) - pool.workers)

/**
 * How many workers each pool is to have. As many are moved as can be spared, at most as many as are lacking. Where there are
 * too few, those who lack some get them in proportion to what they lack; where there are too many, they are taken in
 * proportion to what can be spared ({@link apportion}).
 * @param pools between which workers can be moved
 * @returns workers in the order of the pools
 */
export function rebalance(pools: readonly WorkerDemand[]): number[] {
  const spare = pools.map(spareWorkers)
  const lacking = pools.map(lackingWorkers)
  const sum = (counts: number[]): number => counts.reduce((all, count) => all + count, 0)
  const moved = Math.min(sum(spare), sum(lacking))
  const taken = apportion(moved, spare)
  const given = apportion(moved, lacking)
  return pools.map(({ workers }, index) => workers - (taken[index] ?? 0) + (given[index] ?? 0))
}
