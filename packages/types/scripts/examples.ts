// One valid message for each public schema. They go into the generated documents; a test holds them to the schemas.
import type { SchemaName } from './schemas.ts'

const AT = '2026-11-24T08:15:00.000Z'
const taskId = 'word-count-1'

const taskInput = {
  task_id: taskId,
  task_type: 'text.stats',
  payload: { text: 'To be, or not to be' },
  required_capabilities: ['text'],
  metadata: { region: 'us-east-1' },
}
const task = {
  ...taskInput,
  routing_strategy: 'least_loaded',
  timeout: 300,
  priority: 5,
  queue_timeout: 300,
  max_attempts: 1,
  idempotent: false,
}
const result = {
  task_id: taskId,
  pool_name: 'text-1',
  status: 'completed',
  output: { words: 6 },
  error: null,
  duration: 0.012,
  metadata: { attempts: 1, queued_ms: 3 },
}
const descriptorInput = { name: 'text-1', pool_type: 'nats', capabilities: ['text'], max_workers: 10 }
const descriptor = {
  ...descriptorInput,
  current_workers: 3,
  queue_size: 0,
  health_status: 'healthy',
  region: 'us-east-1',
  metadata: {},
  load_factor: 0.3,
  is_available: true,
  utilization: '30.0% (3/10)',
}
const check = { status: 'healthy', response_time: 1.4, last_check: AT, error: null }
const error = {
  code: 'INVALID_INPUT',
  message: 'the task is not valid at timeout: must be at most 3600',
  issues: [{ path: 'timeout', message: 'must be at most 3600' }],
}
const history = [{ pool: 'text-1', reason: 'POOL_LOST' }]
const poisoned = {
  ...result,
  status: 'failed',
  output: null,
  error: '5 pools were lost while they ran the task',
  metadata: { attempts: 0, queued_ms: 3, reason: 'POISON', history },
}
const histogram = {
  count: 2,
  sum_ms: 15,
  buckets: [
    { le: 10, count: 2 },
    { le: null, count: 2 },
  ],
}

const scalable = {
  name: 'batch-eu',
  scaler: 'registry',
  pool_type: 'kubernetes',
  min_workers: 1,
  max_workers: 10,
  workers: 4,
  pools: ['batch-eu'],
  place: 'kubernetes https://10.0.0.1:6443 poolmesh-jobs',
}

export const EXAMPLES: Record<SchemaName, unknown> = {
  DistributedTaskInput: taskInput,
  DistributedTask: task,
  TaskBatch: [taskInput, { task_type: 'text.stats', payload: { text: 'That is the question' } }].map(
    ({ task_type, payload }) => ({ task_type, payload }),
  ),
  FanOut: { pools: ['text-1', 'text-2', 'text-3'], aggregation: 'quorum', quorum: 2, max_parallel: 10 },
  FanOutOutput: { aggregation: 'first_success', decided_by: ['text-1'], branches: [result] },
  FanOutResult: {
    ...result,
    output: { aggregation: 'first_success', decided_by: ['text-1'], branches: [result] },
  },
  DistributedTaskResult: result,
  ResultBatch: [0, 1].map((index) => ({ ...result, task_id: `${taskId}-${index}` })),
  PoolAnswer: { task_id: taskId, status: 'completed', output: { words: 6 }, error: null, duration: 0.012 },
  TaskStatusReply: {
    task_id: taskId,
    status: 'running',
    pool_name: 'text-1',
    attempt: 1,
    submitted_at: AT,
    started_at: AT,
    finished_at: null,
  },
  TaskIdRequest: { task_id: taskId },
  CancelRequest: { task_id: taskId, reason: 'no longer needed' },
  CancelReply: { task_id: taskId, cancelled: true, status: 'cancelled' },
  ExplainReply: {
    task_id: taskId,
    status: 'pending',
    strategy: 'least_loaded',
    chosen: null,
    candidates: [{ pool: 'text-1', verdict: 'full', reason: 'all 10 workers are busy', score: null }],
    counts: { 'all 10 workers are busy': 1 },
    waiting_for: 'a free worker',
  },
  PoolDescriptorInput: descriptorInput,
  PoolDescriptor: descriptor,
  DeregisterRequest: { name: 'text-1', drain: true },
  DeregisterReply: { name: 'text-1', draining: true },
  Heartbeat: { current_workers: 3, queue_size: 0 },
  Progress: { task_id: 't-1', attempt: 1, fraction: 0.5, message: 'half of it' },
  PoolHealthAnswer: { status: 'healthy', current_workers: 3, queue_size: 0 },
  PoolNameRequest: { name: 'text-1' },
  PoolListRequest: { capability: 'text', active_only: true, limit: 100 },
  PoolListReply: { pools: [descriptor], cursor: null },
  PoolStatsReply: { total_pools: 1, active_pools: 1, pool_types: { nats: 1 }, capabilities: { text: 1 } },
  DiscoverRequest: { endpoints: ['http://localhost:8000'] },
  DiscoverReply: {
    new: ['local-pool'],
    changed: [],
    gone: [],
    failed: [{ endpoint: 'http://localhost:8001', reason: 'connection refused' }],
  },
  ScalablePool: scalable,
  ScalableReply: { pools: [scalable] },
  ScaleRequest: { name: 'batch-eu', target_workers: 8, expected_workers: 4 },
  HealthCheckRequest: { name: 'text-1' },
  HealthCheckReply: { 'text-1': check },
  PoolHealth: check,
  HealthHistoryRequest: { name: 'text-1', limit: 10 },
  HealthHistoryReply: { name: 'text-1', checks: [check] },
  HealthStatsReply: { check_interval: 30, pools_monitored: 2, total_health_checks: 40 },
  ExecutorStatsReply: {
    active_tasks: 1,
    completed_tasks: 2,
    task_status_breakdown: { running: 1, completed: 2 },
    queue_time: histogram,
    run_time: histogram,
    waiting: [{ required_capabilities: ['text'], pool: null, tasks: 3 }],
  },
  DeadLetter: { task, result: poisoned, history, at: AT },
  DeadListRequest: { limit: 100 },
  DeadListReply: {
    dead: [
      {
        task_id: taskId,
        task_type: 'text.stats',
        reason: 'POISON',
        error: poisoned.error,
        at: AT,
        attempts: 0,
      },
    ],
    cursor: null,
  },
  DeadRetryReply: { task_id: 'pm_4GtPj7nZ0sWk3QxXv2bTfa', retry_of: taskId },
  DeadPurgeRequest: { task_id: taskId },
  DeadPurgeReply: { purged: 1 },
  MemorySearchRequest: { query: 'tides of Brest', limit: 10 },
  MemorySearchReply: {
    hits: [
      {
        task_id: taskId,
        text: `Task ${taskId} completed on text-1`,
        score: 4.2,
        source: 'recent',
        also_in: ['akosha'],
      },
    ],
    failed: [{ source: 'session_buddy', reason: 'nobody listens there' }],
  },
  PoolEvent: {
    event_id: '01977a3c-4e0b-7d63-9e26-f5b1c3a2d410',
    at: AT,
    pool: 'text-1',
    reason: 'three heartbeats missed',
    previous_status: 'healthy',
  },
  Rejection: { error, received: '{"task_type":"text.stats","payload":{},"timeout":4000}', at: AT },
  Refusal: { error },
  PublishAck: { stream: 'TASKS', seq: 42 },
}
