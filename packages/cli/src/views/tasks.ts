import type { TaskSummary } from '@poolmesh/client'
import type { Column } from '@poolmesh/terminal'
import { formatSeconds, toTheSecond } from './seconds.ts'

const took = ({ duration }: TaskSummary): string => (duration === null ? '-' : formatSeconds(duration))
const why = ({ reason, error }: TaskSummary): string => [reason, error].filter(Boolean).join(': ') || '-'
const lastChange = (task: TaskSummary): string =>
  task.finished_at ?? task.started_at ?? task.submitted_at ?? '-'

export const TASK_COLUMNS: Column<TaskSummary>[] = [
  { title: 'task', value: (task) => task.task_id, widest: 64, whole: true },
  { title: 'status', value: (task) => task.status, widest: 9, whole: true },
  { title: 'type', value: (task) => task.task_type ?? '-', widest: 30 },
  { title: 'pool', value: (task) => task.pool_name ?? '-', widest: 40 },
  { title: 'took', value: took, widest: 8, align: 'right', whole: true },
  { title: 'since', value: (task) => toTheSecond(lastChange(task)), widest: 20, whole: true },
  { title: 'why', value: why, widest: 60 },
]

/** One after the other: what differs in length comes last. */
export const TAIL_COLUMNS: Column<TaskSummary>[] = [
  // The hour and minute are what one compares with a clock.
  { title: 'ended (UTC)', value: (task) => lastChange(task).slice(11, 23), widest: 12, whole: true },
  { title: 'status', value: (task) => task.status, widest: 9, whole: true },
  { title: 'took', value: took, widest: 8, align: 'right', whole: true },
  { title: 'pool', value: (task) => task.pool_name ?? '-', widest: 20 },
  { title: 'task', value: (task) => task.task_id, widest: 29, whole: true },
  { title: 'why', value: why, widest: 60 },
]
