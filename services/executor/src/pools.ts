// Brings what is known of pools into the routing table: registrations, health, heartbeats.
import type { PoolAdapter } from '@poolmesh/adapters'
import type { PoolListener, StoredHealth, StoredPool } from '@poolmesh/bus'
import type { TaskEngine } from '@poolmesh/core'
import { isJsonObject } from '@poolmesh/types'
import type { Logger } from 'pino'
import type { Held } from './held.ts'

/** Draining pools, with the time of the registration that drains. */
export type DrainingPools = Map<string, string>

/** Of the worker package: a process has one, and says it whenever it registers. */
const instanceOf = ({ metadata }: StoredPool): unknown =>
  isJsonObject(metadata['poolmesh']) ? metadata['poolmesh']['instance'] : undefined

/** Whether a registration comes from a process that does not run what the one before ran. */
function isReplaced(before: StoredPool | undefined, pool: StoredPool): boolean {
  if (!before || before.registered_at === pool.registered_at || pool.pool_type !== 'nats') return false
  const instance = instanceOf(pool)
  // One that only subscribes says what it runs, and a process that has just begun runs nothing.
  return instance === undefined ? pool.current_workers === 0 : instance !== instanceOf(before)
}

interface Changes {
  /** Another process has the pool's name now. */
  replaced(pool: StoredPool): void
  /** A pool that drained was taken out. */
  retired(pool: StoredPool): void
}

export function poolListener(
  engine: TaskEngine<Held>,
  adapter: Pick<PoolAdapter, 'serves' | 'traits' | 'obstacle'>,
  draining: DrainingPools,
  log: Logger,
  changes: Changes,
): PoolListener {
  const { table } = engine
  const registrations = new Map<string, StoredPool>()
  const verdicts = new Map<string, StoredHealth>()

  /** The monitor's verdict on this registration, else what the pool said of itself. */
  const apply = (name: string): void => {
    const pool = registrations.get(name)
    if (!pool) return
    const verdict = verdicts.get(name)
    const current = verdict?.registered_at === pool.registered_at ? verdict.status : pool.health_status
    const before = table.get(name)?.health
    table.setHealth(name, current)
    if (current === 'unavailable' && before !== 'unavailable') engine.poolLost(name)
    if (current !== 'unavailable' && before === 'unavailable') engine.suspensions.clear(name)
  }

  return {
    upserted(pool) {
      const { cancel, output } = adapter.traits(pool)
      const before = registrations.get(pool.name)
      registrations.set(pool.name, pool)
      if (pool.draining) draining.set(pool.name, pool.registered_at)
      else draining.delete(pool.name)
      table.upsert(pool, {
        draining: pool.draining === true,
        served: adapter.serves(pool),
        obstacle: adapter.obstacle?.(pool) ?? null,
        cancel,
        output,
      })
      engine.suspensions.clear(pool.name)
      apply(pool.name)
      if (isReplaced(before, pool)) changes.replaced(pool)
    },
    removed(name) {
      const before = registrations.get(name)
      registrations.delete(name)
      draining.delete(name)
      if (!table.get(name)) return
      log.info({ pool_name: name }, 'pool removed')
      engine.poolLost(name)
      engine.suspensions.clear(name)
      table.remove(name)
      if (before?.draining) changes.retired(before)
    },
    health(name, health) {
      if (health) verdicts.set(name, health)
      else verdicts.delete(name)
      apply(name)
    },
    heartbeat(name, currentWorkers, queueSize) {
      if (currentWorkers === 0) engine.idle(name)
      table.heartbeat(name, currentWorkers, queueSize)
    },
  }
}
