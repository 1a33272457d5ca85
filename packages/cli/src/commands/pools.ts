import { type Command, Option } from 'commander'
import { addExamples, type End, finish, finishList } from '../command.ts'
import { type CommonOptions, type ListOptions, POOL_TYPES, parseNumber } from '../options.ts'
import { defineDeregister, defineRegister } from './pools-change.ts'
import { defineHealth, defineStats, defineWatch } from './pools-look.ts'
import { defineRebalance } from './pools-rebalance.ts'
import { defineDistribute, defineExecute } from './pools-run.ts'

export type PoolsListOptions = ListOptions & {
  capability?: string
  region?: string
  type?: string
  active?: true
  limit?: number
  cursor?: string
}

export function definePools(parent: Command, end: End): void {
  const pools = parent
    .command('pools')
    .description('See which pools there are and how they are, change them, run tasks on them.')
  addExamples(pools, ['pools list', 'pools health', 'pools execute text-pool text.words'])
  defineList(pools, end)
  defineGet(pools, end)
  defineDiscover(pools, end)
  defineRegister(pools, end)
  defineDeregister(pools, end)
  defineExecute(pools, end)
  defineDistribute(pools, end)
  defineRebalance(pools, end)
  defineHealth(pools, end)
  defineStats(pools, end)
  defineWatch(pools, end)
}

function defineList(pools: Command, end: End): void {
  const command = pools
    .command('list')
    .description('List the pools, by name.')
    .option('-c, --capability <name>', 'only pools that have it')
    .option('--region <name>', 'only pools there')
    .addOption(new Option('--type <type>', 'only pools of that type').choices(POOL_TYPES))
    .option('--active', 'only pools that are not unavailable')
    .option('--limit <count>', 'at most so many (default: all)', parseNumber)
    .option('--cursor <cursor>', 'go on where a list with --limit ended')
  finishList(command, [
    'pools list',
    'pools list -c gpu --region eu --active',
    'pools list --limit 50 --format markdown',
  ]).action(async (options: PoolsListOptions) => {
    const { listPools } = await import('../actions/pools-list.ts')
    end(await listPools(options))
  })
}

function defineGet(pools: Command, end: End): void {
  const command = pools.command('get').description('Show one pool.').argument('<name>')
  finish(command, ['pools get text-pool', 'pools get text-pool --json']).action(
    async (name: string, options: CommonOptions) => {
      const { getPool } = await import('../actions/pools-get.ts')
      end(await getPool(name, options))
    },
  )
}

function defineDiscover(pools: Command, end: End): void {
  const command = pools
    .command('discover')
    .description('Ask endpoints for their pools, and register what they list.')
    .argument(
      '[endpoints...]',
      'http(s) addresses, or nats://services for the bus (default: those of the settings)',
    )
  finishList(command, ['pools discover', 'pools discover http://pools.example:8000 nats://services']).action(
    async (endpoints: string[], options: ListOptions) => {
      const { discoverPools } = await import('../actions/pools-discover.ts')
      end(await discoverPools(endpoints, options))
    },
  )
}
