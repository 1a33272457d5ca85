import type { Command } from 'commander'
import { type End, finish } from '../command.ts'
import type { CommonOptions } from '../options.ts'

export function defineStatus(parent: Command, end: End): void {
  const command = parent
    .command('status')
    .description('Show what a task is doing.')
    .argument('<task_id>', 'what submit printed')
  finish(command, ['status pm_1a2b3c', 'status pm_1a2b3c --json']).action(
    async (taskId: string, options: CommonOptions) => {
      const { status } = await import('../actions/status.ts')
      end(await status(taskId, options))
    },
  )
}
