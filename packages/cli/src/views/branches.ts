import type { Column } from '@poolmesh/terminal'
import type { DistributedTaskResult, FanOutOutput } from '@poolmesh/types'
import { showFields } from '../output.ts'
import { formatSeconds } from './seconds.ts'

/** One branch of a fan-out, and whether its outcome made the decision. */
export interface Branch {
  result: DistributedTaskResult
  decided: boolean
}

const shown = ({ error, output }: DistributedTaskResult): string => error ?? JSON.stringify(output)

export const BRANCH_COLUMNS: Column<Branch>[] = [
  { title: 'pool', value: ({ result }) => result.pool_name ?? '-', widest: 40 },
  { title: 'status', value: ({ result }) => result.status, widest: 9, whole: true },
  {
    title: 'took',
    value: ({ result }) => formatSeconds(result.duration),
    widest: 8,
    align: 'right',
    whole: true,
  },
  { title: 'decided', value: ({ decided }) => (decided ? 'yes' : '-'), widest: 7, whole: true },
  { title: 'output or error', value: ({ result }) => shown(result), widest: 80 },
]

export function branchesOf({ branches, decided_by }: FanOutOutput): Branch[] {
  const deciders = new Set(decided_by)
  return branches.map((result) => ({
    result,
    decided: result.pool_name !== null && deciders.has(result.pool_name),
  }))
}

/** For people: how the whole ended. */
export function formatFanOut(parent: DistributedTaskResult, output: FanOutOutput): string {
  const completed = output.branches.filter(({ status }) => status === 'completed').length
  return showFields([
    ['task', parent.task_id],
    ['status', parent.status],
    ['by', output.aggregation],
    ['branches', `${completed} of ${output.branches.length} completed`],
    ['error', parent.error],
  ])
}
