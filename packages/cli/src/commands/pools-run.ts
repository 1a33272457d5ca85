// The commands that run a task on pools that whoever asks chooses.
import type { Command } from 'commander'
import { type End, finish } from '../command.ts'
import { addWorkOptions, type CommonOptions, type TaskOptions } from '../options.ts'

export type PoolsExecuteOptions = CommonOptions & TaskOptions & { wait: boolean }

export function defineExecute(pools: Command, end: End): void {
  const command = pools
    .command('execute')
    .description('Run a task on one pool and nowhere else, and wait for its result.')
    .argument('<name>', 'the pool')
    .argument('<task_type>', 'what kind of work it is; the pool decides by it')
    .option('--no-wait', 'print the id once the task is stored, and end')
  finish(addWorkOptions(command), [
    `pools execute text-pool text.words --payload '{"text":"to be or not to be"}'`,
    'pools execute gpu-eu train --payload @payload.json --timeout 600 --no-wait',
  ]).action(async (name: string, taskType: string, options: PoolsExecuteOptions) => {
    const { executeOnPool } = await import('../actions/pools-execute.ts')
    end(await executeOnPool(name, taskType, options))
  })
}
