import type { CancelReply } from '@poolmesh/types'
import type { CancelOptions } from '../commands/cancel.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { print, printJson } from '../output.ts'
import { withSystem } from '../system.ts'

export async function cancel(taskId: string, options: CancelOptions): Promise<ExitCode> {
  const reply = await withSystem(options, async ({ executor }): Promise<CancelReply> => {
    const cancelled = await executor.cancelTask(taskId, { reason: options.reason })
    // A terminal status never changes: asking for it afterwards gives the one that stood in the way.
    const status = cancelled ? 'cancelled' : (await executor.getTaskStatus(taskId)).status
    return { task_id: taskId, cancelled, status }
  })
  if (options.json) printJson(reply)
  else print(reply.cancelled ? `${taskId} is cancelled\n` : `${taskId} had ended already: ${reply.status}\n`)
  return reply.cancelled ? EXIT.done : EXIT.notCompleted
}
