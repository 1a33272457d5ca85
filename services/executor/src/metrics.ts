// What an executor tells of itself when somebody looks: the engine's own counters, and what lies in its streams.
import type { JetStreamManager } from '@nats-io/jetstream'
import { laneConsumers, type TellMetric } from '@poolmesh/bus'
import type { Counters, PoolState, PoolTable, TaskEngine } from '@poolmesh/core'
import { NAMED_POOLS, namedPools } from '@poolmesh/metrics'
import { LANES, STREAMS } from '@poolmesh/types'
import type { Held } from './held.ts'

export interface ExecutorMetricsParts {
  engine: TaskEngine<Held>
  jsm: JetStreamManager
  /** Pools and lanes are told by the executor that dispatches, so that nothing is there twice. */
  mayAct(): boolean
}

export const executorMetrics =
  ({ engine, jsm, mayAct }: ExecutorMetricsParts) =>
  async (tell: TellMetric): Promise<void> => {
    const dispatching = mayAct()
    tell('poolmesh_executor_dispatching', dispatching ? 1 : 0)
    tell('poolmesh_executor_tasks', engine.waiting.size, { status: 'pending' })
    tell('poolmesh_executor_tasks', engine.running, { status: 'running' })
    tellCounters(tell, engine.counters)
    if (!dispatching) return
    tell('poolmesh_executor_tasks_without_pool', withoutPool(engine))
    tellPools(tell, engine.table)
    await Promise.all([tellLanes(tell, jsm), tellDead(tell, jsm)])
  }

function tellCounters(tell: TellMetric, counters: Counters): void {
  for (const [status, count] of Object.entries(counters.byStatus))
    tell('poolmesh_executor_tasks_ended_total', count, { status })
  for (const [strategy, byStatus] of counters.byStrategy)
    for (const [status, count] of Object.entries(byStatus))
      tell('poolmesh_executor_tasks_by_strategy_total', count, { strategy, status })
  for (const [type, byStatus] of counters.byType)
    for (const [status, count] of Object.entries(byStatus))
      tell('poolmesh_executor_tasks_by_type_total', count, { type, status })
  for (const [outcome, count] of Object.entries(counters.runs))
    tell('poolmesh_executor_runs_total', count, { outcome })
  for (const [reason, count] of counters.retries) tell('poolmesh_executor_retries_total', count, { reason })
  tell('poolmesh_executor_late_answers_total', counters.lateAnswers)
  tell('poolmesh_executor_batches_parked_total', counters.parked)
  tell('poolmesh_executor_batches_retrieved_total', counters.retrieved)
  tell('poolmesh_executor_task_queue_seconds', counters.queueTime.report())
  tell('poolmesh_executor_task_run_seconds', counters.runTime.report())
}

function withoutPool({ waiting, table }: TaskEngine<Held>): number {
  let tasks = 0
  for (const signature of waiting.signatures())
    if (signature.waiting > 0 && table.anyFits(signature.requirements) === 'none') tasks += signature.waiting
  return tasks
}

const isAvailable = (pool: PoolState): boolean =>
  pool.served && !pool.draining && pool.health !== 'unavailable'
const used = (pool: PoolState): number => pool.running + pool.foreign

function tellPools(tell: TellMetric, table: PoolTable): void {
  const pools = [...table.values()]
  const available = pools.filter(isAvailable)
  const sum = (of: (pool: PoolState) => number): number =>
    available.reduce((total, pool) => total + of(pool), 0)
  tell(
    'poolmesh_executor_slots',
    sum((pool) => pool.descriptor.max_workers),
  )
  tell('poolmesh_executor_slots_used', sum(used))
  tell('poolmesh_executor_pools_unnamed', Math.max(0, pools.length - NAMED_POOLS))
  for (const one of namedPools(pools)) {
    const pool = { pool: one.name }
    tell('poolmesh_executor_pool_slots', one.descriptor.max_workers, pool)
    tell('poolmesh_executor_pool_slots_used', used(one), pool)
    tell('poolmesh_executor_pool_load_ratio', one.load, pool)
    tell('poolmesh_executor_pool_queue_tasks', one.queueSize, pool)
    tell('poolmesh_executor_pool_dispatches_total', one.dispatches, pool)
  }
}

async function tellLanes(tell: TellMetric, jsm: JetStreamManager): Promise<void> {
  const consumers = await laneConsumers(jsm)
  for (const lane of LANES) {
    const own = consumers.filter(({ subject }) => new RegExp(`\\.${lane}(-back)?\\.`).test(subject))
    const sum = (key: 'pending' | 'open'): number => own.reduce((total, one) => total + one[key], 0)
    tell('poolmesh_executor_lane_pending_messages', sum('pending'), { lane })
    tell('poolmesh_executor_lane_open_messages', sum('open'), { lane })
  }
}

async function tellDead(tell: TellMetric, jsm: JetStreamManager): Promise<void> {
  const { state } = await jsm.streams.info(STREAMS.dead)
  tell('poolmesh_executor_dead_letters', state.messages)
}
