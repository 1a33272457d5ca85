// Every series that poolmesh has, by who tells it. docs/metrics.md is generated from here, and what is not here cannot be told.
import { NAMED_POOLS } from './named-pools.ts'

export interface Series {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
}

const series =
  (type: Series['type']) =>
  (help: string, ...labels: string[]): Series => ({ type, help, labels })
const counter = series('counter')
const gauge = series('gauge')
const histogram = series('histogram')

/** What the gateway tells of the system as a whole, also at its own `/metrics`. */
const SYSTEM = {
  poolmesh_executor_up: gauge('1 where an executor answered; 0: what follows from executors is left out.'),
  poolmesh_pools: gauge('Registered pools.', 'health'),
  poolmesh_slots: gauge('Tasks that the available pools can run at a time.'),
  poolmesh_slots_used: gauge('Of these, those that are taken.'),
  poolmesh_tasks_ended_total: counter('Tasks that ended since the executors started.', 'status'),
  poolmesh_tasks: gauge('Tasks that wait (`pending`) or run (`running`).', 'status'),
  poolmesh_backlog_tasks: gauge('What is pending in a lane.', 'lane'),
  poolmesh_task_queue_seconds: histogram('How long tasks waited for a pool.'),
  poolmesh_task_run_seconds: histogram('How long pools took.'),
}

const EVERY = {
  poolmesh_process_id: gauge('The process, as its machine numbers it.'),
  poolmesh_broker_connected: gauge('1 while the connection to NATS is up.', 'connection'),
  poolmesh_broker_round_trip_seconds: gauge(
    'A ping of the NATS server and its answer, tried at the scrape.',
    'connection',
  ),
  poolmesh_trace_spans_total: counter(
    'Spans that the collector took (`sent`) or that it never got (`lost`). Where traces are on.',
    'outcome',
  ),
}

const REGISTRY = {
  poolmesh_registry_pools: gauge('Registered pools.', 'type'),
  poolmesh_registry_pools_active: gauge('Registered pools that take tasks.'),
  poolmesh_registry_pools_draining: gauge('Registered pools that drain.'),
  poolmesh_registry_pool_changes_total: counter(
    'Changes of capacity: pools `added` and `removed`, and those whose slots `grown` or `shrunk`.',
    'change',
  ),
  poolmesh_registry_heartbeats_ignored_total: counter(
    'Heartbeats that make no sense or are of no pool.',
    'reason',
  ),
}

const EXECUTOR = {
  poolmesh_executor_dispatching: gauge('1 in the executor that dispatches, 0 in those that stand by.'),
  poolmesh_executor_tasks: gauge('Tasks in memory that wait (`pending`) or run (`running`).', 'status'),
  poolmesh_executor_tasks_without_pool: gauge('Of those that wait, the ones that no registered pool fits.'),
  poolmesh_executor_tasks_ended_total: counter('Tasks that ended.', 'status'),
  poolmesh_executor_tasks_by_strategy_total: counter(
    'Tasks that ended, by how they were routed.',
    'strategy',
    'status',
  ),
  poolmesh_executor_tasks_by_type_total: counter(
    'Tasks that ended, by type: the first 50 types, the others as `other`.',
    'type',
    'status',
  ),
  poolmesh_executor_runs_total: counter('Runs that are over, by what came of them.', 'outcome'),
  poolmesh_executor_retries_total: counter(
    'Runs that came to nothing and were noted in their task.',
    'reason',
  ),
  poolmesh_executor_late_answers_total: counter('Answers for tasks that had ended, or for none.'),
  poolmesh_executor_batches_parked_total: counter('Batches stored away because no pool fitted.'),
  poolmesh_executor_batches_retrieved_total: counter('Batches brought back.'),
  poolmesh_executor_task_queue_seconds: histogram('How long tasks waited for a pool.'),
  poolmesh_executor_task_run_seconds: histogram('How long pools took.'),
  poolmesh_executor_slots: gauge('Tasks that the available pools can run at a time.'),
  poolmesh_executor_slots_used: gauge('Of these, those that are taken.'),
  poolmesh_executor_pool_slots: gauge('Tasks that the pool can run at a time.', 'pool'),
  poolmesh_executor_pool_slots_used: gauge('Of these, those that are taken, by whomever.', 'pool'),
  poolmesh_executor_pool_load_ratio: gauge('Taken slots by slots; over 1 where others overload it.', 'pool'),
  poolmesh_executor_pool_queue_tasks: gauge('What the pool says that it has queued itself.', 'pool'),
  poolmesh_executor_pool_dispatches_total: counter('Tasks that were sent to the pool.', 'pool'),
  poolmesh_executor_pools_unnamed: gauge(
    `Pools beyond the first ${NAMED_POOLS}, without series of their own.`,
  ),
  poolmesh_executor_lane_pending_messages: gauge('Messages of the lane that were not delivered yet.', 'lane'),
  poolmesh_executor_lane_open_messages: gauge(
    'Messages of the lane that were delivered and are not acknowledged.',
    'lane',
  ),
  poolmesh_executor_dead_letters: gauge('Dead letters that are stored.'),
}

const HEALTH_MONITOR = {
  poolmesh_health_pools: gauge('Watched pools.', 'status'),
  poolmesh_health_pool_status: gauge(
    '1 for the status that the pool has, 0 for the others.',
    'pool',
    'status',
  ),
  poolmesh_health_pool_breaker_open: gauge('1 while the circuit breaker of the pool is open.', 'pool'),
  poolmesh_health_pool_flapping: gauge('1 while the pool is held down for changing too often.', 'pool'),
  poolmesh_health_pool_heartbeat_age_seconds: gauge(
    'Since the last heartbeat of a pool that sends them.',
    'pool',
  ),
  poolmesh_health_heartbeats_total: counter('Heartbeats of registered pools.'),
  poolmesh_health_heartbeats_missed_total: counter(
    'Times that a pool missed so many heartbeats that it counts as lost.',
  ),
  poolmesh_health_pools_late: gauge('Pools whose next heartbeat is late.'),
  poolmesh_health_checks_total: counter('Health checks of this process.'),
  poolmesh_health_malformed_total: counter('Messages that make no sense, skipped.'),
}

const DISTRIBUTOR = {
  poolmesh_distributor_fanouts: gauge('Fan-outs in memory that wait for pools or run.', 'status'),
  poolmesh_distributor_bytes: gauge('What the fan-outs in memory take, roughly.'),
  poolmesh_distributor_pools: gauge('Pools that fan-outs choose from.'),
}

const MEMORY = {
  poolmesh_memory_results_total: counter(
    'Results, by what became of them: `stored`, `refused` for now, `given_up`.',
    'destination',
    'outcome',
  ),
  poolmesh_memory_pending_messages: gauge(
    'Messages of results that wait for the destination.',
    'destination',
  ),
  poolmesh_memory_failures_in_row: gauge(
    'Rounds in a row in which the destination took nothing.',
    'destination',
  ),
  poolmesh_memory_last_sync_timestamp_seconds: gauge(
    'When the destination last took results, or there were none.',
    'destination',
  ),
}

const GATEWAY = {
  poolmesh_gateway_listeners: gauge('Open streams of events.'),
}

/** By who tells them. */
export const SERIES = {
  system: SYSTEM,
  every: EVERY,
  registry: REGISTRY,
  executor: EXECUTOR,
  distributor: DISTRIBUTOR,
  'health-monitor': HEALTH_MONITOR,
  memory: MEMORY,
  gateway: GATEWAY,
} as const satisfies Record<string, Record<string, Series>>

export type Teller = keyof typeof SERIES

/** All of these tellers, by name. */
export const seriesOf = (tellers: readonly Teller[]): Map<string, Series> =>
  new Map(tellers.flatMap((teller): [string, Series][] => Object.entries(SERIES[teller])))
