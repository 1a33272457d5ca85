// Every subject of the contract, and the names of what the broker stores.
import type { Lane } from './enums.ts'

export const SUBJECTS = {
  taskSubmitted: 'task.submitted',
  taskCompleted: 'task.completed',
  taskRejected: 'task.rejected',
  taskResult: 'task.result',
  taskStatus: 'task.status',
  taskCancel: 'task.cancel',
  taskExplain: 'task.explain',
  taskDistribute: 'task.distribute',
  poolRegister: 'pool.register',
  poolDeregister: 'pool.deregister',
  poolRegistered: 'pool.registered',
  poolDeregistered: 'pool.deregistered',
  poolUnhealthy: 'pool.unhealthy',
  poolRecovered: 'pool.recovered',
  poolList: 'pool.list',
  poolGet: 'pool.get',
  poolStats: 'pool.stats',
  poolDiscover: 'pool.discover',
  poolScalable: 'pool.scalable',
  healthCheck: 'health.check',
  healthHistory: 'health.history',
  healthStats: 'health.stats',
  executorStats: 'executor.stats',
  deadList: 'dead.list',
  deadGet: 'dead.get',
  deadRetry: 'dead.retry',
  deadPurge: 'dead.purge',
  memorySearch: 'memory.search',
} as const

export const submittedSubject = (lane: Lane, id: string): string => `task.submitted.${lane}.${id}`
export const completedSubject = (id: string): string => `task.completed.${id}`
/** Results of fan-out branches: stored like others, but not told on `task.completed`, since nobody submitted them. */
export const branchResultSubject = (id: string): string => `task.branch.${id}`
/** Where a task that became a dead letter is stored. */
export const deadSubject = (taskId: string): string => `task.dead.${taskId}`
export const workSubject = (pool: string): string => `pool.work.${pool}`
export const cancelSubject = (pool: string): string => `pool.cancel.${pool}`
/** `{task_id, attempt, fraction, message}`: how far a run is; `fraction` from 0 to 1, null where only the message is known. */
export const progressSubject = (pool: string): string => `pool.progress.${pool}`
/** Asked of pools that take arrays: which tasks do you run? */
export const runningSubject = (pool: string): string => `pool.running.${pool}`
export const healthSubject = (pool: string): string => `pool.health.${pool}`
export const heartbeatSubject = (pool: string): string => `pool.heartbeat.${pool}`

/** Asked of whoever can change how many workers a pool has; `pool.scalable` tells who that is. */
export const scaleSubject = (scaler: string): string => `pool.scale.${scaler}`

export const STREAMS = {
  tasks: 'TASKS',
  results: 'RESULTS',
  poolEvents: 'POOL_EVENTS',
  rejected: 'REJECTED',
  dead: 'DEAD',
} as const
/**
 * KV buckets: descriptors by pool name; what the health monitor found by pool name; of the executors, who dispatches, and
 * what the next one has to know; which results of a message memory has not stored yet.
 */
export const BUCKETS = {
  pools: 'POOLS',
  health: 'POOL_HEALTH',
  executors: 'EXECUTORS',
  memory: 'MEMORY',
} as const
/** Object store for payloads and outputs over the broker's message limit. */
export const PAYLOAD_STORE = 'PAYLOADS'

const INBOX = '_INBOX.'
/** The end of a subject for notes that takes arrays of the results of several messages (`Poolmesh-Notify`). */
export const NOTES_TOGETHER = '.many'
/**
 * Notes ahead of their storing, for a submitter whose subject is `_INBOX.<one token>.ahead.many`: of a result that is being
 * stored it gets the text under `….ahead.told.<writer>.<n>`, and under `….ahead.stored.<writer>.<n>` what the broker says
 * of the storing. So it is told by the broker itself, and not a way through the executor later.
 */
export const NOTES_AHEAD = {
  end: `.ahead${NOTES_TOGETHER}`,
  told: (ahead: string, writer: string, n: number): string => `${ahead}.told.${writer}.${n}`,
  stored: (ahead: string, writer: string, n: number | '*'): string => `${ahead}.stored.${writer}.${n}`,
  /** What the executor listens to, for what the broker says of its own writes. */
  confirmed: (writer: string): string => NOTES_AHEAD.stored(`${INBOX}*.ahead`, writer, '*'),
  /** @returns what the subjects of that submitter begin with; null: it takes no such notes */
  of: (notify: string): string | null => {
    if (!notify.endsWith(NOTES_AHEAD.end) || !notify.startsWith(INBOX)) return null
    const begin = notify.length - NOTES_AHEAD.end.length
    return notify.indexOf('.', INBOX.length) === begin ? notify.slice(0, -NOTES_TOGETHER.length) : null
  },
} as const

export const HEADERS = {
  notify: 'Poolmesh-Notify',
  attempt: 'Poolmesh-Attempt',
  deadline: 'Poolmesh-Deadline',
  parent: 'Poolmesh-Parent',
  /** Internal: when a task that was re-homed or parked was first submitted, ms since the epoch. */
  submitted: 'Poolmesh-Submitted',
  serviceError: 'Nats-Service-Error',
  serviceErrorCode: 'Nats-Service-Error-Code',
  expectedLastSubjectSequence: 'Nats-Expected-Last-Subject-Sequence',
} as const

export const MAX_BATCH_TASKS = 200
export const MAX_BATCH_BYTES = 256 * 1024
/** Largest payload or output, passed through the object store. */
export const MAX_PAYLOAD_BYTES = 64 * 1024 * 1024

/** Between the services; no part of the contract. */
export const INTERNAL = {
  /** `{executor}` each second from the executor that dispatches. */
  executors: 'poolmesh.executors',
  /** `{executor, following}` each second from those that stand by. */
  standby: 'poolmesh.standby',
  /** `{executor, loads: {pool: running tasks}}`: what changed, all of it once a second. */
  load: 'poolmesh.load',
  /** `poolmesh.answer.one.<pool>.<attempt>.<task>`, `poolmesh.answer.many.<pool>.<executor>.<group>`: answers of pools. */
  answer: 'poolmesh.answer',
  /** `{executor, began, freed}`: runs in pools that cannot be asked what they run, for the executors that stand by. */
  runs: 'poolmesh.runs',
  /** `poolmesh.follows.<executor>`: answered by those that stand by and know that executor's runs. */
  follows: 'poolmesh.follows',
  /** `{executor, pool, registered_at}`: a draining pool has none of that executor's tasks left. */
  drained: 'poolmesh.drained',
  /** `{pool, kind, count}`: how a pool behaves, for the health monitor. */
  poolReport: 'poolmesh.pool_report',
  /** Of tasks, answered by the executor that dispatches, with null for what it does not hold. */
  askStatus: 'poolmesh.ask.status',
  askCancel: 'poolmesh.ask.cancel',
  askExplain: 'poolmesh.ask.explain',
  /** Of fan-outs, answered by the distributor that has it; others are silent. */
  askFanOutStatus: 'poolmesh.ask.fanout.status',
  askFanOutCancel: 'poolmesh.ask.fanout.cancel',
  askFanOutExplain: 'poolmesh.ask.fanout.explain',
  askStats: 'poolmesh.ask.stats',
  /** `{pool, runs: [{task_id, attempt}]}`, answered with those of them that nobody waits for. */
  askWanted: 'poolmesh.ask.wanted',
} as const
