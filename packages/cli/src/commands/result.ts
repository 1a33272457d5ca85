import type { Command } from 'commander'
import { type End, finish } from '../command.ts'
import type { CommonOptions } from '../options.ts'

export type ResultOptions = CommonOptions & { wait?: true }

export function defineResult(parent: Command, end: End): void {
  const command = parent
    .command('result')
    .description('Show how a task ended. Results are kept for 24 hours by default.')
    .argument('<task_id>', 'what submit printed')
    .option('--wait', 'until it has ended')
  finish(command, ['result pm_1a2b3c', 'result pm_1a2b3c --wait --json']).action(
    async (taskId: string, options: ResultOptions) => {
      const { result } = await import('../actions/result.ts')
      end(await result(taskId, options))
    },
  )
}
