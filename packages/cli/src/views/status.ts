import { formatFields } from '@poolmesh/terminal'
import type { TaskStatusReply } from '@poolmesh/types'

export const formatStatus = (status: TaskStatusReply): string =>
  formatFields([
    ['task', status.task_id],
    ['status', status.status],
    ['pool', status.pool_name ?? '-'],
    ['attempt', String(status.attempt)],
    ['submitted', status.submitted_at ?? '-'],
    ['started', status.started_at ?? '-'],
    ['finished', status.finished_at ?? '-'],
  ])
