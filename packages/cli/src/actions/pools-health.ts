import type { HealthStatus } from '@poolmesh/types'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { printList } from '../list.ts'
import type { ListOptions } from '../options.ts'
import { print } from '../output.ts'
import { withSystem } from '../system.ts'
import { CHECK_COLUMNS, type CheckedPool, formatVerdict, HEALTH_COLUMNS } from '../views/health.ts'

/** Checks that are shown of one pool. */
const CHECKS = 10

export async function poolsHealth(options: ListOptions): Promise<ExitCode> {
  const pools = await withSystem(options, async ({ registry, monitor }) => {
    const checked = await monitor.checkAllPools()
    const pools: CheckedPool[] = []
    // After the checks, so that what they changed is shown.
    for await (const { name, health_status } of registry.iterate()) {
      const check = Object.hasOwn(checked, name) ? checked[name] : undefined
      if (check) pools.push({ name, health_status, ...check })
    }
    return pools
  })
  printList(options, {
    columns: HEALTH_COLUMNS,
    rows: pools,
    json: { pools },
    nothing: 'no pool is registered',
  })
  return pools.every(isHealthy) ? EXIT.done : EXIT.notCompleted
}

export async function poolHealth(name: string, options: ListOptions): Promise<ExitCode> {
  const { check, pool, checks } = await withSystem(options, async ({ registry, monitor }) => {
    const check = await monitor.checkPool(name)
    const checks = await monitor.getPoolHistory(name, { limit: CHECKS })
    return { check, checks, pool: await registry.getPoolStatus(name) }
  })
  const { health_status } = pool
  // Markdown is for documents: the one table that was asked for.
  if (options.format === 'table') print(`${formatVerdict({ name, health_status })}\n`)
  printList(options, {
    columns: CHECK_COLUMNS,
    rows: checks,
    json: { name, health_status, ...check, checks },
    nothing: 'no check is kept yet',
  })
  return isHealthy({ health_status, status: check.status }) ? EXIT.done : EXIT.notCompleted
}

const isHealthy = (pool: { health_status: HealthStatus; status: HealthStatus }): boolean =>
  pool.health_status === 'healthy' && pool.status === 'healthy'
