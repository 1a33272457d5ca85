// Moves the workers: first those who give, so that there are never more than before; if something goes wrong, all is put back.
import { setTimeout as sleep } from 'node:timers/promises'
import type { PoolRegistry, ScalablePool } from '@poolmesh/client'
import { PoolmeshError } from '@poolmesh/types'
import type { LookedAt } from './look.ts'
import type { PlannedPool } from './plan.ts'

/** Processes that end take room until they are gone, which may be 8 s. */
const ENDING_MS = 15_000
const LOOK_MS = 250

/** @throws PoolmeshError CONFLICT where somebody else has scaled one of them meanwhile, and what else refused */
export async function carryOut(
  registry: PoolRegistry,
  looked: readonly LookedAt[],
  plan: readonly PlannedPool[],
): Promise<void> {
  const steps = plan
    .map(({ workers, target_workers }, i) => ({
      pool: looked[i]?.pool,
      more: target_workers - workers,
      to: target_workers,
    }))
    .filter(
      (step): step is typeof step & { pool: ScalablePool } => step.pool !== undefined && step.more !== 0,
    )
    .sort((a, b) => a.more - b.more)
  const done: { pool: ScalablePool; back: number }[] = []
  try {
    for (const { pool, to } of steps) done.push({ pool: await scale(registry, pool, to), back: pool.workers })
  } catch (error) {
    for (const { pool, back } of done.reverse()) await scale(registry, pool, back).catch(() => {})
    throw error
  }
}

async function scale(registry: PoolRegistry, pool: ScalablePool, to: number): Promise<ScalablePool> {
  for (const end = Date.now() + ENDING_MS; ; await sleep(LOOK_MS))
    try {
      return await registry.scalePool(pool, to)
    } catch (error) {
      const isFull = error instanceof PoolmeshError && error.code === 'OVERLOADED'
      if (!isFull || Date.now() > end) throw error
    }
}
