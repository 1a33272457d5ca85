import type { Command } from 'commander'
import { type End, finishList } from '../command.ts'
import type { ListOptions } from '../options.ts'

export type PoolsRebalanceOptions = ListOptions & { dryRun?: true; yes?: true }

export function defineRebalance(pools: Command, end: End): void {
  const command = pools
    .command('rebalance')
    .description(
      'Move workers from pools that have some to spare to pools that have tasks waiting. How many there are stays as it is.',
    )
    .option('--dry-run', 'show what would be moved, and why; change nothing')
    .option('-y, --yes', 'do not ask')
  finishList(command, [
    'pools rebalance --dry-run',
    'pools rebalance --yes',
    'pools rebalance --dry-run --format markdown',
  ]).action(async (options: PoolsRebalanceOptions) => {
    const { rebalancePools } = await import('../actions/pools-rebalance.ts')
    end(await rebalancePools(options))
  })
}
