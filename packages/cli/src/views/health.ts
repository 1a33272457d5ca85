import type { Column } from '@poolmesh/terminal'
import type { HealthStatus, PoolHealth } from '@poolmesh/types'
import { showFields } from '../output.ts'
import { formatSeconds } from './seconds.ts'

/** A check that was made now, and what the system made of all checks and runs. */
export interface CheckedPool extends PoolHealth {
  name: string
  health_status: HealthStatus
}

/** Open: the pool gets no work. Degraded: only what no healthy one can take. */
const BREAKER: Record<HealthStatus, string> = {
  healthy: 'closed',
  degraded: 'degraded',
  unavailable: 'open',
}

export const formatVerdict = ({ name, health_status }: Pick<CheckedPool, 'name' | 'health_status'>): string =>
  showFields([
    ['pool', name],
    ['health', health_status],
    ['breaker', BREAKER[health_status]],
  ])

const answered = ({ response_time }: PoolHealth): string =>
  response_time === null ? '-' : formatSeconds(response_time / 1_000)

const CHECK: Column<PoolHealth>[] = [
  { title: 'check', value: ({ status }) => status, widest: 11, whole: true },
  { title: 'answered in', value: answered, widest: 11, align: 'right', whole: true },
]
const ERROR: Column<PoolHealth> = { title: 'error', value: ({ error }) => error ?? '-', widest: 60 }

export const HEALTH_COLUMNS: Column<CheckedPool>[] = [
  { title: 'pool', value: ({ name }) => name, widest: 40 },
  ...CHECK,
  { title: 'breaker', value: ({ health_status }) => BREAKER[health_status], widest: 8, whole: true },
  ERROR,
]

export const CHECK_COLUMNS: Column<PoolHealth>[] = [
  { title: 'checked', value: ({ last_check }) => last_check, widest: 24 },
  ...CHECK,
  ERROR,
]
