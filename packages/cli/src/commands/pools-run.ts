// The commands that run a task on pools that whoever asks chooses.
import { type Command, Option } from 'commander'
import { type End, finish, finishList } from '../command.ts'
import {
  addCapabilityOption,
  addWorkOptions,
  type CommonOptions,
  type ListOptions,
  parseNumber,
  type TaskOptions,
} from '../options.ts'

const AGGREGATIONS = ['all_success', 'first_success', 'majority', 'quorum']

export type PoolsExecuteOptions = CommonOptions & TaskOptions & { wait: boolean }
export type PoolsDistributeOptions = ListOptions &
  TaskOptions & { aggregation?: string; quorum?: number; maxParallel?: number }

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

export function defineDistribute(pools: Command, end: End): void {
  const command = pools
    .command('distribute')
    .description(
      'Run a task on several pools, and make one result of theirs. Ctrl-C stops the waiting, not the task.',
    )
    .argument('<task_type>', 'what kind of work it is; the pools decide by it')
    .argument('[pools...]', 'their names (default: all that are not unavailable and fit)')
    .addOption(
      new Option('--aggregation <name>', 'what decides the one result')
        .choices(AGGREGATIONS)
        .default('all_success'),
    )
    .addOption(
      new Option('--quorum <count>', 'of quorum: so many successes (default: more than half)')
        .argParser(parseNumber)
        .implies({ aggregation: 'quorum' }),
    )
    .option('--max-parallel <count>', 'branches that run at the same time (default: 10)', parseNumber)
  finishList(addWorkOptions(addCapabilityOption(command)), [
    'pools distribute checksum text-pool data-pool --payload @payload.json',
    'pools distribute warm-up',
    'pools distribute train gpu-eu gpu-us --aggregation first_success',
    'pools distribute vote -c model --quorum 3 --format markdown',
  ]).action(async (taskType: string, names: string[], options: PoolsDistributeOptions) => {
    const { distribute } = await import('../actions/pools-distribute.ts')
    end(await distribute(taskType, names, options))
  })
}
