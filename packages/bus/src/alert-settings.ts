// Of `poolmesh alerts forward`. Here, and not in the command line: whatever begins with POOLMESH_ is known to every process.
import { ALERT_GROUPINGS, ALERT_SHAPES, type AlertGrouping, type AlertShape, idSchema } from '@poolmesh/types'
import * as z from 'zod'
import { httpUrl, optional, range, secret, setting } from './setting-kinds.ts'

export const ALERT_SETTINGS = {
  alerts_url: secret(
    setting<string | undefined>(
      optional(httpUrl),
      undefined,
      'where `poolmesh alerts forward` sends; its path is often a secret',
    ),
  ),
  alerts_shape: setting<AlertShape>(z.enum(ALERT_SHAPES), 'json', 'what the receiver of alerts takes'),
  alerts_group_by: setting<AlertGrouping>(
    z.enum(ALERT_GROUPINGS),
    'none',
    'what alerts of one request have in common, beside the time: nothing, or the type or region of their pools',
  ),
  alerts_window: setting<number>(
    range(0, 3_600),
    5,
    'seconds within which alerts go together, 100 at most; 0: each by itself',
  ),
  alerts_name: setting<string>(
    idSchema,
    'alerts',
    'name of the position that the broker keeps: one for each receiver; two processes with one name share the alerts',
  ),
  alerts_link: setting<string | undefined>(
    optional(httpUrl),
    undefined,
    'address of the gateway, for links from alerts to pools',
  ),
  alerts_authorization: secret(
    setting<string | undefined>(
      optional(
        z
          .string()
          .regex(/^[\t -~]+$/, 'must be visible ASCII characters')
          .describe('text'),
      ),
      undefined,
      'header `Authorization` for the receiver of alerts',
    ),
  ),
}
