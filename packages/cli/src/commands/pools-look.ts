// The commands that show how pools are.
import type { Command } from 'commander'
import { type End, finish, finishList } from '../command.ts'
import type { CommonOptions, ListOptions } from '../options.ts'

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
