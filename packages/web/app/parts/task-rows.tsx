import type { TaskSummary } from '../data/types.ts'
import { milliseconds } from './format.ts'
import { Mark } from './marks.tsx'
import { Ago, PoolLink, TaskLink, Text } from './parts.tsx'

const seconds = (value: number | null): number | null => (value === null ? null : value * 1_000)

/** Tasks in rows; `brief` for those of one pool. */
export function TaskRows({ tasks, brief = false }: { tasks: readonly TaskSummary[]; brief?: boolean }) {
  if (brief)
    return (
      <ul class="alerts brief">
        {tasks.map((task) => (
          <li key={task.task_id}>
            <Mark state={task.status} />
            <TaskLink id={task.task_id} />
            <span class="small muted number right">{milliseconds(seconds(task.duration))}</span>
          </li>
        ))}
      </ul>
    )
  return (
    <div class="rows" role="table" aria-label="Tasks">
      <div role="rowgroup">
        <div class="row top task-row" role="row">
          {['Task', 'Status', 'Pool', 'Waited', 'Ran', 'Ended'].map((column) => (
            <span role="columnheader" key={column}>
              {column}
            </span>
          ))}
        </div>
      </div>
      <div role="rowgroup">
        {tasks.map((task) => (
          <div class="row task-row" role="row" key={task.task_id}>
            <span role="cell" class="name cut">
              <TaskLink id={task.task_id} />
              {task.task_type !== null && (
                <span class="small muted">
                  {' '}
                  <Text most={60}>{task.task_type}</Text>
                </span>
              )}
            </span>
            <span role="cell">
              <Mark state={task.status} />
            </span>
            <span role="cell" class="cut pool">
              {task.pool_name === null ? <span class="muted">none</span> : <PoolLink name={task.pool_name} />}
            </span>
            <span role="cell" class="number muted waited">
              {milliseconds(task.queued_ms)}
            </span>
            <span role="cell" class="number ran">
              {milliseconds(seconds(task.duration))}
            </span>
            <span role="cell" class="muted small when">
              <Ago at={task.finished_at ?? task.submitted_at} />
            </span>
          </div>
        ))}
      </div>
    </div>
  )
}
