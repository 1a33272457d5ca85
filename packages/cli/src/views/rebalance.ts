import type { Column } from '@poolmesh/terminal'
import type { PlannedPool } from '../rebalance/plan.ts'

export const PLAN_COLUMNS: Column<PlannedPool>[] = [
  { title: 'pool', value: ({ pool }) => pool, widest: 40 },
  { title: 'busy', value: ({ running, slots }) => `${running}/${slots}`, widest: 12, align: 'right' },
  { title: 'waiting', value: ({ waiting }) => String(waiting), widest: 8, align: 'right' },
  { title: 'workers', value: ({ workers }) => String(workers), widest: 7, align: 'right' },
  { title: 'then', value: ({ target_workers }) => String(target_workers), widest: 7, align: 'right' },
  { title: 'may be', value: ({ min_workers, max_workers }) => `${min_workers}–${max_workers}`, widest: 12 },
  { title: 'why', value: ({ why }) => why, widest: 80 },
]
