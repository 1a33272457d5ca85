// Pools whose number of workers the registry can change: those that say within which limits (`metadata.scaling`), because
// it is no more than how much is sent to them at the same time.
import type { PoolCatalog } from '@poolmesh/core'
import {
  isJsonObject,
  type PoolDescriptor,
  PoolmeshError,
  REGISTRY_SCALER,
  requireWithin,
  type ScalablePool,
  scalingOf,
} from '@poolmesh/types'

/** What a pool's workers take room of: a namespace of a cluster, or the server at its endpoint. */
function placeOf({ pool_type, endpoint, metadata }: PoolDescriptor): string {
  const kubernetes = metadata['kubernetes']
  const namespace = isJsonObject(kubernetes) ? kubernetes['namespace'] : undefined
  return [pool_type, endpoint, pool_type === 'kubernetes' ? namespace : undefined]
    .filter((part) => typeof part === 'string')
    .join(' ')
}

/** Null: it cannot be scaled. */
export function scalablePool(pool: PoolDescriptor): ScalablePool | null {
  const scaling = scalingOf(pool)
  return (
    scaling && {
      name: pool.name,
      scaler: REGISTRY_SCALER,
      pool_type: scaling.spawned ?? pool.pool_type,
      min_workers: scaling.min_workers,
      max_workers: scaling.max_workers,
      workers: pool.max_workers,
      pools: [pool.name],
      place: placeOf(pool),
    }
  )
}

/** All but those that drain. */
export function* scalablePools(catalog: PoolCatalog): Generator<ScalablePool, void, undefined> {
  for (const pool of catalog.walk({}, null, performance.now())) {
    const scalable = pool['draining'] === true ? null : scalablePool(pool)
    if (scalable) yield scalable
  }
}

/** @throws PoolmeshError INVALID_INPUT */
export function requireScaling(pool: PoolDescriptor, target: number): void {
  const scaling = scalingOf(pool)
  if (scaling === null)
    throw new PoolmeshError(
      'INVALID_INPUT',
      `the pool ${pool.name} cannot be scaled: it has no metadata.scaling with min_workers and max_workers`,
      [{ path: 'name', message: 'must be a pool with metadata.scaling' }],
    )
  requireWithin(pool.name, scaling, target)
}
