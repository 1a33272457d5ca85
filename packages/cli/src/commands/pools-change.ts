// The commands that change which pools there are.
import { type Command, Option } from 'commander'
import { type End, finish } from '../command.ts'
import { type CommonOptions, collect, POOL_TYPES, parseNumber } from '../options.ts'

export type PoolsRegisterOptions = CommonOptions & {
  file?: string
  type?: string
  endpoint?: string
  capability?: string[]
  maxWorkers?: number
  region?: string
  metadata?: string
}
export type PoolsDeregisterOptions = CommonOptions & { drain?: true; yes?: true }

export function defineRegister(pools: Command, end: End): void {
  const command = pools
    .command('register')
    .description('Register a pool, or replace the one of that name.')
    .argument('[name]', 'its name, where --file does not say it')
    .option(
      '--file <file>',
      'its descriptor as JSON, or - for standard input; the options go before what it says',
    )
    .addOption(new Option('--type <type>', 'what kind of pool it is').choices(POOL_TYPES))
    .option('--endpoint <url>', 'where it is; a nats pool needs none')
    .option('-c, --capability <name>', 'what tasks can require of it; may be repeated', collect)
    .option('--max-workers <count>', 'tasks that it runs at the same time (default: 10)', parseNumber)
    .option('--region <name>', 'where it runs')
    .option('--metadata <json>', 'more of it: a JSON object, @FILE or -')
  finish(command, [
    'pools register gpu-eu --type mahavishnu --endpoint http://127.0.0.1:8000 -c gpu --region eu',
    'pools register --file pool.json',
    'pools register gpu-us --file - < pool.json',
  ]).action(async (name: string | undefined, options: PoolsRegisterOptions) => {
    const { registerPool } = await import('../actions/pools-change.ts')
    end(await registerPool(name, options))
  })
}

export function defineDeregister(pools: Command, end: End): void {
  const command = pools
    .command('deregister')
    .description('Take a pool out. What runs there is tried elsewhere; with --drain it ends there first.')
    .argument('<name>')
    .option('--drain', 'no new work from now on; gone when its last task has ended')
    .option('-y, --yes', 'do not ask')
  finish(command, ['pools deregister gpu-eu', 'pools deregister gpu-eu --drain --yes']).action(
    async (name: string, options: PoolsDeregisterOptions) => {
      const { deregisterPool } = await import('../actions/pools-change.ts')
      end(await deregisterPool(name, options))
    },
  )
}
