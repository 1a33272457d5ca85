import type { Alert } from '../live/alerts.ts'
import type { PoolMirror, PoolTotals, SlotTotals } from '../pools/mirror.ts'
import type { Activity, Sampler } from './sampler.ts'

const ALERTS = 20

export interface Overview extends Activity {
  now: string
  pools: PoolTotals
  slots: SlotTotals
  /** Newest first. */
  alerts: readonly Alert[]
}

/** What the system does now, on one page. */
export function overviewOf(parts: {
  sampler: Sampler
  pools: PoolMirror
  alerts: { latest(count: number): Alert[] }
}): Overview {
  return {
    now: new Date().toISOString(),
    ...parts.sampler.activity(),
    ...parts.pools.totals(),
    alerts: parts.alerts.latest(ALERTS),
  }
}

/** Without the history, of which a listener has all but the last moment. */
export function overviewEvent(overview: Overview): Overview {
  return { ...overview, history: overview.history.slice(-1) }
}
