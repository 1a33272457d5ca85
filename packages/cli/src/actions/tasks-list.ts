import { listTasks as askForTasks } from '@poolmesh/client'
import type { TaskStatus } from '@poolmesh/types'
import type { TasksListOptions } from '../commands/tasks.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { printList } from '../list.ts'
import { requireLimit } from '../options.ts'
import { collectPages } from '../pages.ts'
import { withSystem } from '../system.ts'
import { TASK_COLUMNS } from '../views/tasks.ts'

const PAGE = 200

export async function listTasks(options: TasksListOptions): Promise<ExitCode> {
  const { type, pool, cursor: from } = options
  const limit = requireLimit(options.limit)
  const status = options.status as TaskStatus | undefined
  const { items, cursor } = await withSystem(options, async ({ connection, executor }) => {
    const ask = (limit: number, cursor: string | null) =>
      askForTasks(connection, executor, { status, type, pool, limit, cursor: cursor ?? undefined })
    return await collectPages(ask, { from, limit, pageSize: PAGE })
  })
  const isFiltered = [status, type, pool, from].some((option) => option !== undefined)
  printList(options, {
    columns: TASK_COLUMNS,
    rows: items,
    json: { tasks: items, cursor },
    nothing: isFiltered ? 'no task is like that' : 'no task waits, runs or has ended in the last hours',
    cursor,
  })
  return EXIT.done
}
