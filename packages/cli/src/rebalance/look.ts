// What is known of the pools whose workers can be changed: how many they have, what runs there, and what waits for them.
import type { DistributedPoolSystem, PoolRegistry, ScalablePool } from '@poolmesh/client'
import { apportion, type WorkerDemand } from '@poolmesh/core'
import { type ExecutorStatsReply, type PoolView, REGISTRY_SCALER } from '@poolmesh/types'

export interface LookedAt extends WorkerDemand {
  pool: ScalablePool
  /** Null where it takes part; else why not. */
  leftOut: string | null
  /** Capabilities of each of its processes that takes work. */
  offers: readonly ReadonlySet<string>[]
  /** Tasks that wait for one of its processes and no other, which more of them would not help. */
  pinned: number
}

export async function lookAtPools({
  registry,
  executor,
}: Pick<DistributedPoolSystem, 'registry' | 'executor'>): Promise<LookedAt[]> {
  const [scalable, { waiting }] = await Promise.all([registry.listScalable(), executor.getExecutorStats()])
  const looked = await Promise.all(scalable.map((pool) => lookAt(registry, pool)))
  for (const tasks of waiting) shareOut(tasks, looked)
  return looked
}

async function lookAt(registry: PoolRegistry, pool: ScalablePool): Promise<LookedAt> {
  const asked = await Promise.allSettled(pool.pools.map((name) => registry.getPoolStatus(name)))
  const known = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const well = known.filter(takesWork)
  const running = await Promise.all(well.map((one) => registry.countRunning(one)))
  const { workers, min_workers: min, max_workers: max } = pool
  // The workers of a registered pool are the tasks that it runs at the same time.
  const isOne = pool.scaler === REGISTRY_SCALER
  const slots = sum(well.map(({ max_workers }) => max_workers))
  return {
    pool,
    workers,
    min,
    max,
    tasksPerWorker: isOne || well.length === 0 ? 1 : slots / well.length,
    running: sum(running),
    busy: isOne ? sum(running) : running.filter((tasks) => tasks > 0).length,
    waiting: 0,
    leftOut: well.length > 0 ? null : known.length > 0 ? 'it is unavailable' : 'it has not registered yet',
    offers: well.map(({ capabilities }) => new Set(capabilities)),
    pinned: 0,
  }
}

const takesWork = (pool: PoolView): boolean =>
  pool.health_status !== 'unavailable' && pool['draining'] !== true

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0)

/** Tasks that would run in several pools are shared out among those that may have more workers, where there are any. */
function shareOut(
  { required_capabilities, pool: named, tasks }: ExecutorStatsReply['waiting'][number],
  looked: readonly LookedAt[],
): void {
  const fitting = looked.filter(({ pool, offers, leftOut }) => {
    if (leftOut !== null || (named !== null && !pool.pools.includes(named))) return false
    return offers.some((offered) => required_capabilities.every((one) => offered.has(one)))
  })
  const [only] = fitting
  if (named !== null && only && only.pool.name !== named) {
    only.pinned += tasks
    return
  }
  const growing = fitting.filter(({ workers, max }) => workers < max)
  const sharing = growing.length > 0 ? growing : fitting
  const shares = apportion(
    tasks,
    sharing.map(() => 1),
  )
  for (const [i, one] of sharing.entries()) one.waiting += shares[i] ?? 0
}
