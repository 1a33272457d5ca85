import { type Command, Option } from 'commander'
import { SHAPES, type Shape } from '../alerts/bodies.ts'
import { GROUPINGS, type Grouping } from '../alerts/groups.ts'
import { type End, finish } from '../command.ts'
import { type CommonOptions, parseNumber } from '../options.ts'

export interface ForwardOptions extends CommonOptions {
  to?: string
  shape: Shape
  groupBy: Grouping
  /** Seconds. */
  window: number
  name: string
  link?: string
  authorization?: string
}

export function defineAlerts(parent: Command, end: End): void {
  const alerts = parent.command('alerts').description('Have others told when pools fail and recover.')
  const forward = alerts
    .command('forward')
    .description(
      'Send pool.unhealthy and pool.recovered to a webhook, until stopped. Nothing is lost between two runs.',
    )
    .addOption(new Option('--to <url>', 'where to; its path may be a secret: better set').env('ALERTS_URL'))
    .addOption(
      new Option('--shape <shape>', 'what it takes').choices(SHAPES).default('json').env('ALERTS_SHAPE'),
    )
    .addOption(
      new Option('--group-by <what>', 'one request for each')
        .choices(GROUPINGS)
        .default('none')
        .env('ALERTS_GROUP_BY'),
    )
    .addOption(
      new Option('--window <seconds>', 'what comes within it goes together')
        .argParser(parseNumber)
        .default(5)
        .env('ALERTS_WINDOW'),
    )
    .addOption(
      new Option('--name <name>', 'of the position; one for each receiver')
        .default('alerts')
        .env('ALERTS_NAME'),
    )
    .addOption(new Option('--link <url>', 'address of the gateway, for links to pools').env('ALERTS_LINK'))
    .addOption(
      new Option('--authorization <header>', 'sent as Authorization').env('ALERTS_AUTHORIZATION').hideHelp(),
    )
  finish(forward, [
    'alerts forward --to http://127.0.0.1:9093/api/v2/alerts --shape alertmanager',
    'alerts forward --shape slack --group-by region --window 30   # ALERTS_URL has the address',
  ]).action(async (options: ForwardOptions) => {
    const { forwardAlerts } = await import('../actions/alerts.ts')
    end(await forwardAlerts(options))
  })
}
