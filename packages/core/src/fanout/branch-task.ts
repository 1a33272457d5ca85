import type { DistributedTask } from '@poolmesh/types'
import type { Branch, FanOutTask } from './run.ts'

/**
 * Prints the tasks of a fan-out's branches: the parent without its `fan_out` and `not_before`, bound to one pool, with
 * `metadata.parent_id` and `metadata.branch`. What all have in common, the payload above all, is printed once.
 * @param traceparent of each branch; left out: they have their parent's, if it has one
 */
export function branchPrinter(
  parent: FanOutTask,
  traceparent?: (branch: Branch) => string,
): (branch: Branch) => string {
  const { task_id, fan_out: _fanOut, not_before: _notBefore, pool: _pool, metadata, ...common } = parent
  const rest = JSON.stringify(common satisfies Partial<DistributedTask>).slice(1)
  return (branch) => {
    const own = {
      task_id: branch.id,
      pool: branch.pool,
      metadata: {
        ...metadata,
        parent_id: task_id,
        branch: branch.index,
        ...(traceparent ? { traceparent: traceparent(branch) } : {}),
      },
    }
    return `${JSON.stringify(own).slice(0, -1)},${rest}`
  }
}
