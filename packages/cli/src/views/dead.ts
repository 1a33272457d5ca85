import type { Column } from '@poolmesh/terminal'
import type { DeadLetter, DeadSummary } from '@poolmesh/types'
import { showFields } from '../output.ts'

export const DEAD_COLUMNS: Column<DeadSummary>[] = [
  { title: 'task', value: (letter) => letter.task_id, widest: 64, whole: true },
  { title: 'type', value: (letter) => letter.task_type, widest: 30 },
  { title: 'reason', value: (letter) => letter.reason, widest: 16 },
  { title: 'since', value: (letter) => letter.at, widest: 24, whole: true },
  { title: 'error', value: (letter) => letter.error ?? '-', widest: 80 },
]

export const formatDeadLetter = ({ task, result, history, at }: DeadLetter): string =>
  showFields([
    ['task', task.task_id],
    ['type', task.task_type],
    ['needs', task.required_capabilities.join(' ') || '-'],
    ['error', result.error],
    ['since', at],
    ...history.map((once, i): [string, string] => [
      i === 0 ? 'tries' : '',
      `${once.pool}: ${once.reason}${once.error === undefined ? '' : ` (${once.error})`}`,
    ]),
    ['payload', task.payload_ref ? JSON.stringify(task.payload_ref) : JSON.stringify(task.payload)],
  ])
