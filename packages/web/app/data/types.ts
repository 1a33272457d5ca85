// What the gateway sends, as far as the page reads it. Whatever comes from pools and tasks is anybody's text.
export type { TaskSummary } from '@poolmesh/types'

export type Health = 'healthy' | 'degraded' | 'unavailable'
export type Status = 'pending' | 'running' | 'completed' | 'failed' | 'timeout' | 'cancelled'

export interface Pool {
  name: string
  pool_type: string
  endpoint?: string | null
  capabilities: string[]
  max_workers: number
  current_workers: number
  queue_size: number
  health_status: Health
  region: string | null
  metadata: Record<string, unknown>
  load_factor: number
  is_available: boolean
  utilization: string
  draining?: boolean
}
export interface Check {
  status: Health
  response_time: number | null
  last_check: string
  error: string | null
}
export interface Alert {
  event_id: string
  at: string
  pool: string
  reason: string
  previous_status: Health | null
  kind: 'unhealthy' | 'recovered'
  sequence: number
}
interface TaskResult {
  task_id: string
  pool_name: string | null
  status: Status
  output: Record<string, unknown> | null
  error: string | null
  duration: number
  metadata: Record<string, unknown>
}
export interface TaskState {
  task_id: string
  status: Status
  pool_name: string | null
  attempt: number
  submitted_at: string | null
  started_at: string | null
  finished_at: string | null
  result: TaskResult | null
}
export interface Attempt {
  pool: string | null
  outcome: string
  error: string | null
  started_at: string | null
  finished_at: string | null
}
export interface TimeLine {
  task_id: string
  status: Status
  submitted_at: string | null
  started_at: string | null
  finished_at: string | null
  queued_ms: number | null
  run_ms: number | null
  total_ms: number | null
  attempts: Attempt[]
}
export type Verdict = 'chosen' | 'fits' | 'full' | 'unavailable' | 'unfit'
export interface Candidate {
  pool: string
  verdict: Verdict
  reason: string
  score: number | null
}
export interface Explanation {
  task_id: string | null
  status: Status | null
  strategy: string | null
  chosen: string | null
  candidates: Candidate[]
  counts: Record<string, number>
  waiting_for: string | null
}
export interface Moment {
  t: string
  submitted: number
  completed: number
  failed: number
  p50: number | null
  p99: number | null
  pending: number
}
export interface Overview {
  now: string
  rates: { submitted: number; completed: number; failed: number }
  latency_ms: Quantiles
  queue_ms?: Quantiles
  backlog: { lane: string; pending: number }[]
  tasks?: { pending: number; running: number }
  pools: { total: number; healthy: number; degraded: number; unhealthy: number }
  slots: { total: number; used: number }
  executors: number
  alerts: Alert[]
  history: Moment[]
}
interface Quantiles {
  p50: number | null
  p95: number | null
  p99: number | null
}
export interface DeadSummary {
  task_id: string
  task_type: string
  reason: string
  error: string | null
  at: string
  attempts?: number
}
export interface DeadLetter {
  task: Record<string, unknown> & { task_id: string; task_type: string }
  result: TaskResult
  history: { pool: string; reason: string; error?: string; at?: string }[]
  at: string
}
export interface Readiness {
  ready: boolean
  parts: Record<string, 'up' | 'down'>
}
export interface Page<Item> {
  items: Item[]
  next: string | null
}
