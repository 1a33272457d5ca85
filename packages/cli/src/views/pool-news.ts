// What changed between two looks at the pools.
import type { PoolView } from '@poolmesh/types'

export interface PoolNews {
  at: string
  pool: string
  change: 'new' | 'changed' | 'gone'
  health_status: PoolView['health_status']
  current_workers: number
  max_workers: number
  queue_size: number
}

type Change = Omit<PoolNews, 'at'>
type ByName = ReadonlyMap<string, PoolView>

const SHOWN = ['health_status', 'current_workers', 'max_workers', 'queue_size'] as const

export function* changesBetween(before: ByName, now: ByName): Generator<Change, void, void> {
  for (const [name, pool] of now) {
    const last = before.get(name)
    if (!last) yield describe('new', pool)
    else if (SHOWN.some((field) => last[field] !== pool[field])) yield describe('changed', pool)
  }
  for (const [name, pool] of before) if (!now.has(name)) yield describe('gone', pool)
}

const describe = (change: PoolNews['change'], pool: PoolView): Change => ({
  pool: pool.name,
  change,
  health_status: pool.health_status,
  current_workers: pool.current_workers,
  max_workers: pool.max_workers,
  queue_size: pool.queue_size,
})
