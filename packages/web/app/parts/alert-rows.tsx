import type { Alert } from '../data/types.ts'
import { Mark } from './marks.tsx'
import { Ago, PoolLink, Text } from './parts.tsx'

/** Alerts as lines; `brief` leaves out the reason. */
export function AlertRows({ alerts, brief = false }: { alerts: readonly Alert[]; brief?: boolean }) {
  if (alerts.length === 0) return <p class="muted">None. Pools that fail and recover are told here.</p>
  return (
    <ul class={brief ? 'alerts brief' : 'alerts'}>
      {alerts.map((alert) => (
        <li key={alert.event_id + alert.sequence}>
          <Mark state={alert.kind === 'unhealthy' ? 'unhealthy' : 'recovered'} />
          <PoolLink name={alert.pool} />
          {!brief && (
            <span class="reason">
              <Text most={300}>{alert.reason}</Text>
            </span>
          )}
          <span class="muted small right">
            <Ago at={alert.at} />
          </span>
        </li>
      ))}
    </ul>
  )
}
