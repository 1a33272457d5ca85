// The commands that show how pools are.
import type { Command } from 'commander'
import { type End, finish, finishList } from '../command.ts'
import { type CommonOptions, type ListOptions, parseNumber } from '../options.ts'

export type PoolsWatchOptions = CommonOptions & { interval: number; capability?: string; region?: string }

export function defineHealth(pools: Command, end: End): void {
  const command = pools
    .command('health')
    .description('Check one pool or all of them now. Ends with 1 where one is not healthy.')
    .argument('[name]', 'one pool, with its last checks (default: all)')
  finishList(command, ['pools health', 'pools health gpu-eu', 'pools health --format json']).action(
    async (name: string | undefined, options: ListOptions) => {
      const { poolHealth, poolsHealth } = await import('../actions/pools-health.ts')
      end(name === undefined ? await poolsHealth(options) : await poolHealth(name, options))
    },
  )
}

export function defineStats(pools: Command, end: End): void {
  const command = pools
    .command('stats')
    .description('Show the figures of the system: pools by kind and capability, tasks, times, checks.')
  finish(command, ['pools stats', 'pools stats --json']).action(async (options: CommonOptions) => {
    const { showStats } = await import('../actions/pools-stats.ts')
    end(await showStats(options))
  })
}

export function defineWatch(pools: Command, end: End): void {
  const command = pools
    .command('watch')
    .description(
      'Show the pools as they change, until Ctrl-C: a live table on a terminal, a line for each change in a pipe.',
    )
    .option('--interval <seconds>', 'between two looks', parseNumber, 1)
    .option('-c, --capability <name>', 'only pools that have it')
    .option('--region <name>', 'only pools there')
  finish(command, ['pools watch', 'pools watch -c gpu --interval 5', 'pools watch --json']).action(
    async (options: PoolsWatchOptions) => {
      const { watchPools } = await import('../actions/pools-watch.ts')
      end(await watchPools(options))
    },
  )
}
