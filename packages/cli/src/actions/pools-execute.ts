import type { PoolsExecuteOptions } from '../commands/pools-run.ts'
import type { ExitCode } from '../exit-codes.ts'
import { withSystem } from '../system.ts'
import { taskOf } from '../task-of-options.ts'
import { submitTo } from './submit.ts'

export async function executeOnPool(
  name: string,
  taskType: string,
  options: PoolsExecuteOptions,
): Promise<ExitCode> {
  const task = await taskOf(taskType, { ...options, pool: name })
  return await withSystem(options, async (system) => {
    // A task for a pool that is not there waits for it. Whoever mistyped its name should not.
    await system.registry.getPoolStatus(name)
    return await submitTo(system, task, options)
  })
}
