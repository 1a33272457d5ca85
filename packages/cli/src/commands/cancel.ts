import type { Command } from 'commander'
import { type End, finish } from '../command.ts'
import type { CommonOptions } from '../options.ts'

export type CancelOptions = CommonOptions & { reason?: string }

export function defineCancel(parent: Command, end: End): void {
  const command = parent
    .command('cancel')
    .description('Cancel a task that waits or runs; the pool that runs it is told.')
    .argument('<task_id>', 'what submit printed')
    .option('--reason <text>', 'kept in the result')
  finish(command, ['cancel pm_1a2b3c', "cancel pm_1a2b3c --reason 'wrong file'"]).action(
    async (taskId: string, options: CancelOptions) => {
      const { cancel } = await import('../actions/cancel.ts')
      end(await cancel(taskId, options))
    },
  )
}
