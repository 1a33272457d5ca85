// The closed sets of the contract. Objects and not `enum`: the sources run with their types stripped.

export const PoolType = {
  NATS: 'nats',
  MAHAVISHNU: 'mahavishnu',
  SESSION_BUDDY: 'session_buddy',
  KUBERNETES: 'kubernetes',
} as const
export type PoolType = (typeof PoolType)[keyof typeof PoolType]

export const HealthStatus = { HEALTHY: 'healthy', DEGRADED: 'degraded', UNAVAILABLE: 'unavailable' } as const
export type HealthStatus = (typeof HealthStatus)[keyof typeof HealthStatus]

export const TaskStatus = {
  PENDING: 'pending',
  RUNNING: 'running',
  COMPLETED: 'completed',
  FAILED: 'failed',
  TIMEOUT: 'timeout',
  CANCELLED: 'cancelled',
} as const
export type TaskStatus = (typeof TaskStatus)[keyof typeof TaskStatus]

/** The statuses that never change again. */
export type TerminalStatus = Exclude<TaskStatus, 'pending' | 'running'>
export const TERMINAL_STATUSES = [
  'completed',
  'failed',
  'timeout',
  'cancelled',
] as const satisfies TerminalStatus[]

export const isTerminal = (status: unknown): status is TerminalStatus =>
  status === 'completed' || status === 'failed' || status === 'timeout' || status === 'cancelled'

export const RoutingStrategy = {
  LEAST_LOADED: 'least_loaded',
  ROUND_ROBIN: 'round_robin',
  CAPABILITY_BASED: 'capability_based',
  REGION_AWARE: 'region_aware',
  AFFINITY: 'affinity',
} as const
export type RoutingStrategy = (typeof RoutingStrategy)[keyof typeof RoutingStrategy]

export const Aggregation = {
  FIRST_SUCCESS: 'first_success',
  ALL_SUCCESS: 'all_success',
  MAJORITY: 'majority',
  QUORUM: 'quorum',
} as const
export type Aggregation = (typeof Aggregation)[keyof typeof Aggregation]

/** Lanes of `task.submitted.<lane>.<id>`, highest first; `fanout` is the distributor's. */
export const LANES = ['urgent', 'high', 'normal', 'low'] as const
export type PriorityLane = (typeof LANES)[number]
export type Lane = PriorityLane | 'fanout'

/** The lane of a priority: urgent 50–100, high 10–49, normal 5–9, low 0–4. */
export function laneOf(priority: number): PriorityLane {
  if (priority >= 50) return 'urgent'
  if (priority >= 10) return 'high'
  return priority >= 5 ? 'normal' : 'low'
}
