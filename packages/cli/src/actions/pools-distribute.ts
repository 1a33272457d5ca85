import type { DistributedTaskExecutor, TaskHandle } from '@poolmesh/client'
import { Progress } from '@poolmesh/terminal'
import {
  type DistributedTaskInput,
  type DistributedTaskResult,
  type FanOutOutput,
  fanOutOutputSchema,
  isJsonObject,
  isTerminal,
} from '@poolmesh/types'
import type { PoolsDistributeOptions } from '../commands/pools-run.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { printList } from '../list.ts'
import { print } from '../output.ts'
import { withSystem } from '../system.ts'
import { taskOf } from '../task-of-options.ts'
import { BRANCH_COLUMNS, branchesOf, formatFanOut } from '../views/branches.ts'
import { waitFor } from './submit.ts'
import { tellWhyItWaits } from './waiting-notice.ts'

/** Between two questions how far it is. */
const LOOK_MS = 500

export async function distribute(
  taskType: string,
  names: string[],
  options: PoolsDistributeOptions,
): Promise<ExitCode> {
  const task = await taskOf(taskType, options)
  const { aggregation, quorum, maxParallel } = options
  const fanOut = {
    pools: names.length === 0 ? 'all' : names,
    aggregation,
    ...(quorum === undefined ? {} : { quorum }),
    ...(maxParallel === undefined ? {} : { max_parallel: maxParallel }),
  }
  const quiet = options.format === 'json'
  const parent = await withSystem(options, async ({ executor }) => {
    // What is wrong with it is said, by path, where it is submitted.
    const handle = executor.submit({ ...task, fan_out: fanOut } as DistributedTaskInput)
    using _notice = quiet ? undefined : tellWhyItWaits(executor, handle)
    using _progress = quiet ? undefined : showProgress(executor, handle)
    return await waitFor(handle)
  })
  show(parent, options)
  return parent.status === 'completed' ? EXIT.done : EXIT.notCompleted
}

function show(parent: DistributedTaskResult, options: PoolsDistributeOptions): void {
  const output = outputOf(parent)
  if (options.format === 'table') print(`${formatFanOut(parent, output)}\n`)
  printList(options, {
    columns: BRANCH_COLUMNS,
    rows: branchesOf(output),
    json: parent,
    nothing: parent.error ?? 'it had no branches',
  })
}

const NONE: FanOutOutput = { aggregation: 'all_success', decided_by: [], branches: [] }

/** One that ended before it began has none. */
function outputOf({ output }: DistributedTaskResult): FanOutOutput {
  const read = fanOutOutputSchema.safeParse(output)
  return read.success ? read.data : NONE
}

/** Branches that have ended, while the others run. Dispose it before the result is printed. */
function showProgress(executor: DistributedTaskExecutor, handle: TaskHandle): Disposable {
  const progress = new Progress({ unit: ['branch', 'branches'] })
  const over = new AbortController()
  let asking = false
  const look = async (): Promise<void> => {
    if (asking) return
    asking = true
    try {
      const status = await executor.getTaskStatus(handle.taskId, { signal: over.signal })
      const { all, ended, completed } = countsOf(status['branch_counts'])
      if (over.signal.aborted || all === 0) return
      progress.update({
        done: ended,
        fraction: ended / all,
        ...(ended === completed ? {} : { note: `${ended - completed} not completed` }),
      })
    } catch {
      // How far it is, is only told; how it ends is what is waited for.
    } finally {
      asking = false
    }
  }
  const timer = setInterval(() => void look(), LOOK_MS)
  return {
    [Symbol.dispose]() {
      clearInterval(timer)
      over.abort()
      progress[Symbol.dispose]()
    },
  }
}

/** @param counts branches by status, as the distributor has them; it lists only the first of many */
function countsOf(counts: unknown): { all: number; ended: number; completed: number } {
  const sums = { all: 0, ended: 0, completed: 0 }
  for (const [status, count] of Object.entries(isJsonObject(counts) ? counts : {})) {
    sums.all += Number(count)
    if (isTerminal(status)) sums.ended += Number(count)
    if (status === 'completed') sums.completed += Number(count)
  }
  return sums
}
