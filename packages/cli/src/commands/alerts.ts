import { ALERT_GROUPINGS, ALERT_SHAPES, type AlertGrouping, type AlertShape } from '@poolmesh/types'
import { type Command, Option } from 'commander'
import { type End, finish } from '../command.ts'
import { type CommonOptions, parseNumber } from '../options.ts'

/** What is left out is as the settings have it. */
export interface ForwardOptions extends CommonOptions {
  to?: string
  shape?: AlertShape
  groupBy?: AlertGrouping
  /** Seconds. */
  window?: number
  name?: string
  link?: string
}

export function defineAlerts(parent: Command, end: End): void {
  const alerts = parent.command('alerts').description('Have others told when pools fail and recover.')
  const forward = alerts
    .command('forward')
    .description(
      'Send pool.unhealthy and pool.recovered to a webhook, until stopped. Nothing is lost between two runs. What is left out is as POOLMESH_ALERTS_URL, …_SHAPE, …_GROUP_BY, …_WINDOW, …_NAME and …_LINK say.',
    )
    .option('--to <url>', 'where to; its path may be a secret: better set as POOLMESH_ALERTS_URL')
    .addOption(new Option('--shape <shape>', 'what it takes (default: json)').choices(ALERT_SHAPES))
    .addOption(
      new Option('--group-by <what>', 'one request for each (default: none)').choices(ALERT_GROUPINGS),
    )
    .option('--window <seconds>', 'what comes within it goes together (default: 5)', parseNumber)
    .option('--name <name>', 'of the position; one for each receiver (default: alerts)')
    .option('--link <url>', 'address of the gateway, for links to pools')
  finish(forward, [
    'alerts forward --to http://127.0.0.1:9093/api/v2/alerts --shape alertmanager',
    'alerts forward --shape slack --group-by region --window 30   # POOLMESH_ALERTS_URL has the address',
  ]).action(async (options: ForwardOptions) => {
    const { forwardAlerts } = await import('../actions/alerts.ts')
    end(await forwardAlerts(options))
  })
}
