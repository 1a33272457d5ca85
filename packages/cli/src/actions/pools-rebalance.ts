import type { PoolsRebalanceOptions } from '../commands/pools-rebalance.ts'
import { confirm } from '../confirm.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { printList } from '../list.ts'
import { notice, print, printJson, say } from '../output.ts'
import { carryOut } from '../rebalance/carry-out.ts'
import { lookAtPools } from '../rebalance/look.ts'
import { type Plan, planOf } from '../rebalance/plan.ts'
import { withSystem } from '../system.ts'
import { PLAN_COLUMNS } from '../views/rebalance.ts'

export async function rebalancePools(options: PoolsRebalanceOptions): Promise<ExitCode> {
  return await withSystem(options, async (system) => {
    const looked = await lookAtPools(system)
    const plan = planOf(looked)
    // For programs one object, at the end.
    const tell = (applied: boolean): void => {
      if (options.format === 'json') printJson({ ...plan, applied })
    }
    if (options.format !== 'json') showPlan(plan, options)
    if (plan.nothing !== null || options.dryRun) {
      tell(false)
      return EXIT.done
    }
    if (!options.yes && !(await confirm(`Move ${workers(plan.moved)}?`))) {
      notice('nothing was changed')
      return EXIT.notCompleted
    }
    await carryOut(system.registry, looked, plan.pools)
    if (options.format !== 'json') say(`${workers(plan.moved)} moved`)
    tell(true)
    return EXIT.done
  })
}

function showPlan(plan: Plan, options: PoolsRebalanceOptions): void {
  const { pools, nothing } = plan
  if (pools.length > 0) printList(options, { columns: PLAN_COLUMNS, rows: pools, json: plan, nothing: '' })
  if (nothing === null) return
  if (pools.length > 0) print('\n')
  say(`nothing is moved: ${nothing}`)
}

const workers = (count: number): string => `${count} worker${count === 1 ? '' : 's'}`
