// `health.check`, `health.history`, `health.stats`.
import type { KV } from '@nats-io/kv'
import { type Endpoint, endpoint, type StoredPool } from '@poolmesh/bus'
import {
  type HealthStatsReply,
  healthCheckRequestSchema,
  healthHistoryRequestSchema,
  jsonObjectSchema,
  type PoolHealth,
  PoolmeshError,
  SUBJECTS,
} from '@poolmesh/types'
import type { HealthMonitor } from './monitor.ts'
import type { Watched } from './watched.ts'

/** Bytes of the shortest entry in a reply to `health.check`, without the name. */
const ENTRY_BYTES = 90

export interface EndpointParts {
  monitor: HealthMonitor
  poolBucket: KV
  /** Seconds. */
  checkInterval: number
  /** Bytes that a reply may have. */
  maxReply: () => number
}

export function healthEndpoints({ monitor, poolBucket, checkInterval, maxReply }: EndpointParts): Endpoint[] {
  /** A pool that was registered this very moment may not have been told to us yet. */
  const find = async (name: string): Promise<Watched> => {
    if (!monitor.get(name)) {
      const entry = await poolBucket.get(name)
      if (entry?.operation === 'PUT') monitor.upserted(entry.json<StoredPool>(), entry.revision)
    }
    const pool = monitor.get(name)
    if (!pool) throw new PoolmeshError('NOT_FOUND', `there is no pool ${name}`)
    return pool
  }

  const checkAll = async (): Promise<Record<string, PoolHealth>> => {
    const pools = [...monitor.pools()]
    const bytes = pools.reduce((sum, pool) => sum + pool.name.length + ENTRY_BYTES, 0)
    if (bytes > maxReply())
      throw new PoolmeshError(
        'REPLY_TOO_LARGE',
        `the health of ${pools.length} pools does not fit into one reply: ask for one pool by its name`,
      )
    return Object.fromEntries(
      await Promise.all(pools.map(async (pool) => [pool.name, await monitor.check(pool)] as const)),
    )
  }

  return [
    endpoint({
      subject: SUBJECTS.healthCheck,
      request: healthCheckRequestSchema,
      async handle({ name }) {
        if (name === undefined) return await checkAll()
        return { [name]: await monitor.check(await find(name)) }
      },
    }),
    endpoint({
      subject: SUBJECTS.healthHistory,
      request: healthHistoryRequestSchema,
      handle: async ({ name, limit }) => ({ name, checks: (await find(name)).history.last(limit) }),
    }),
    endpoint({
      subject: SUBJECTS.healthStats,
      request: jsonObjectSchema,
      handle: (): HealthStatsReply => ({
        check_interval: checkInterval,
        pools_monitored: monitor.size,
        total_health_checks: monitor.totalChecks,
      }),
    }),
  ]
}
