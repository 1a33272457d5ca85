import type { DistributedTaskExecutor } from '@poolmesh/client'
import { type DistributedTaskResult, isTerminal, type TaskStatusReply } from '@poolmesh/types'
import type { ResultOptions } from '../commands/result.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { onInterrupt } from '../interrupt.ts'
import { notice, print, printJson } from '../output.ts'
import { withSystem } from '../system.ts'
import { formatResult } from '../views/result.ts'
import { formatStatus } from '../views/status.ts'

const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 2_000

export async function result(taskId: string, options: ResultOptions): Promise<ExitCode> {
  const json = options.json === true
  return await withSystem(options, async ({ executor }) => {
    if (options.wait === true) return showResult(await untilEnded(executor, taskId), json)
    const found = await look(executor, taskId)
    if (hasEnded(found)) return showResult(found, json)
    // The contract's answer for a task that has not ended: its status.
    if (json) printJson(found)
    else print(formatStatus(found))
    return EXIT.notEnded
  })
}

export function showResult(ended: DistributedTaskResult, json: boolean): ExitCode {
  if (json) printJson(ended)
  else print(formatResult(ended))
  return ended.status === 'completed' ? EXIT.done : EXIT.notCompleted
}

type Found = DistributedTaskResult | TaskStatusReply

const hasEnded = (found: Found): found is DistributedTaskResult => 'output' in found

/** The result, or the status of a task that has none yet. */
async function look(executor: DistributedTaskExecutor, taskId: string, signal?: AbortSignal): Promise<Found> {
  for (;;) {
    const ended = await executor.getTaskResult(taskId, { signal })
    if (ended) return ended
    const status = await executor.getTaskStatus(taskId, { signal })
    // It may end between the two questions; then there is a result to ask for.
    if (!isTerminal(status.status)) return status
  }
}

/** Asks, less often as time goes by: only the submitter of a task is told of its end. */
async function untilEnded(executor: DistributedTaskExecutor, taskId: string): Promise<DistributedTaskResult> {
  const { setTimeout: pause } = await import('node:timers/promises')
  using interruption = onInterrupt()
  const { signal } = interruption
  try {
    for (let ms = FIRST_PAUSE_MS; ; ms = Math.min(LONGEST_PAUSE_MS, ms * 1.5)) {
      const found = await look(executor, taskId, signal)
      if (hasEnded(found)) return found
      await pause(ms, undefined, { signal })
    }
  } catch (error) {
    if (!signal.aborted) throw error
    notice(`no longer waiting. The task goes on: poolmesh status ${taskId} shows where it is.`)
    throw signal.reason
  }
}
