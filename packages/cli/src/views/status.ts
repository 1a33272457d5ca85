import type { TaskStatusReply } from '@poolmesh/types'
import { showFields } from '../output.ts'

export const formatStatus = (status: TaskStatusReply): string =>
  showFields([
    ['task', status.task_id],
    ['status', status.status],
    ['pool', status.pool_name ?? '-'],
    ['attempt', String(status.attempt)],
    ['submitted', status.submitted_at ?? '-'],
    ['started', status.started_at ?? '-'],
    ['finished', status.finished_at ?? '-'],
  ])
