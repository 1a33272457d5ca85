import type { DistributedPoolSystem, TaskHandle } from '@poolmesh/client'
import type { DistributedTaskInput, DistributedTaskResult } from '@poolmesh/types'
import type { SubmitOptions } from '../commands/submit.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { onInterrupt } from '../interrupt.ts'
import { notice, print, printJson } from '../output.ts'
import { withSystem } from '../system.ts'
import { taskOf } from '../task-of-options.ts'
import { showResult } from './result.ts'
import { tellWhyItWaits } from './waiting-notice.ts'

export async function submit(taskType: string, options: SubmitOptions): Promise<ExitCode> {
  const task = await taskOf(taskType, options)
  return await withSystem(options, (system) => submitTo(system, task, options))
}

export async function submitTo(
  { executor }: Pick<DistributedPoolSystem, 'executor'>,
  task: DistributedTaskInput,
  options: Pick<SubmitOptions, 'json' | 'wait'>,
): Promise<ExitCode> {
  const json = options.json === true
  const handle = executor.submit(task)
  using _notice = json ? undefined : tellWhyItWaits(executor, handle)
  if (options.wait) return showResult(await waitFor(handle), json)
  await handle.stored
  const { taskId } = handle
  // What `task.status`, `task.result` and the others take as their request.
  if (json) printJson({ task_id: taskId })
  else print(`${taskId}\n`)
  return EXIT.done
}

export async function waitFor(handle: TaskHandle): Promise<DistributedTaskResult> {
  using interruption = onInterrupt()
  let stored = false
  void handle.stored.then(
    () => {
      stored = true
    },
    () => {},
  )
  try {
    return await handle.result(interruption)
  } catch (error) {
    const { taskId } = handle
    if (interruption.signal.aborted)
      notice(
        stored
          ? `no longer waiting. The task goes on: poolmesh result ${taskId} --wait shows how it ends, poolmesh cancel ${taskId} stops it.`
          : `interrupted before the server confirmed the task: poolmesh status ${taskId} says whether it is there.`,
      )
    throw error
  }
}
