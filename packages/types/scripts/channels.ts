// The subjects of the contract as data: who says what there, and what is answered.
import {
  cancelSubject,
  completedSubject,
  deadSubject,
  HEADERS,
  healthSubject,
  heartbeatSubject,
  LANES,
  type Lane,
  progressSubject,
  SUBJECTS,
  scaleSubject,
  submittedSubject,
  workSubject,
} from '../src/index.ts'
import type { JsonSchema, SchemaName } from './schemas.ts'

/** `Empty`: a message without a body. */
export type MessageName = SchemaName | 'Empty'

export interface Channel {
  /** The name of the channel and of its operation. */
  id: string
  /** Null: the subject is another one each time. */
  address: string | null
  /** As poolmesh sees it. */
  action: 'send' | 'receive'
  summary: string
  messages: MessageName[]
  /** What the reply may be, apart from a Refusal. */
  reply?: MessageName[]
  /** Whether the reply may be a Refusal. */
  refuses?: boolean
  headers?: Record<string, JsonSchema>
}

export const PARAMETERS: Record<string, { description: string; enum?: string[] }> = {
  lane: {
    description: 'The lane of the priority, or fanout for a task with fan_out.',
    enum: [...LANES, 'fanout'],
  },
  id: { description: 'The id of a task submitted alone, or of a batch: [A-Za-z0-9_-]{1,64}.' },
  name: { description: 'The name of a pool: [A-Za-z0-9_-]{1,64}.' },
  scaler: { description: 'As pool.scalable tells it: [A-Za-z0-9_-]{1,64}.' },
}

const NOTIFY = {
  [HEADERS.notify]: {
    type: 'string',
    description: 'A subject to which the results are also sent once stored.',
  },
}
const ONCE = {
  [HEADERS.expectedLastSubjectSequence]: { const: '0', description: 'Refuses an id that is pending.' },
}
const RUN = {
  [HEADERS.attempt]: { type: 'string', pattern: '^[0-9]+$', description: 'Which attempt this is, from 1.' },
  [HEADERS.deadline]: { type: 'string', format: 'date-time', description: 'When the run must have ended.' },
}

const request = (
  id: string,
  address: string,
  summary: string,
  messages: MessageName[],
  reply: MessageName[],
): Channel => ({
  id,
  address,
  action: 'receive',
  summary,
  messages,
  reply,
  refuses: true,
})
const event = (id: string, address: string | null, summary: string, messages: MessageName[]): Channel => ({
  id,
  address,
  action: 'send',
  summary,
  messages,
})

const lane = '{lane}' as Lane
const RESULTS: MessageName[] = ['DistributedTaskResult', 'ResultBatch']

export const CHANNELS: Channel[] = [
  {
    id: 'taskSubmitted',
    address: SUBJECTS.taskSubmitted,
    action: 'receive',
    summary:
      'Submits a task. As a request, the JetStream acknowledgement means: stored, will end in exactly one result.',
    messages: ['DistributedTaskInput'],
    reply: ['PublishAck'],
    headers: NOTIFY,
  },
  {
    id: 'taskSubmittedToLane',
    address: submittedSubject(lane, '{id}'),
    action: 'receive',
    summary: 'Submits one task or a batch straight to its lane, as the client package does.',
    messages: ['DistributedTaskInput', 'TaskBatch'],
    reply: ['PublishAck'],
    headers: { ...NOTIFY, ...ONCE },
  },
  event(
    'taskCompleted',
    SUBJECTS.taskCompleted,
    'One result for every task; results of a batch may share a message.',
    RESULTS,
  ),
  event(
    'taskCompletedById',
    completedSubject('{id}'),
    'The stored results, in the stream RESULTS, kept 24 h by default: read the last message by subject.',
    RESULTS,
  ),
  event(
    'taskNotify',
    null,
    `The results of one submission, on the subject that its header ${HEADERS.notify} named. Not a delivery promise.`,
    RESULTS,
  ),
  event('taskRejected', SUBJECTS.taskRejected, 'What was published as a task and is none.', ['Rejection']),
  request(
    'taskResult',
    SUBJECTS.taskResult,
    'The stored result, or the status of a task that has not ended.',
    ['TaskIdRequest'],
    ['DistributedTaskResult', 'TaskStatusReply'],
  ),
  request('taskStatus', SUBJECTS.taskStatus, 'Where a task is.', ['TaskIdRequest'], ['TaskStatusReply']),
  request(
    'taskCancel',
    SUBJECTS.taskCancel,
    'Cancels a task that is pending or runs.',
    ['CancelRequest'],
    ['CancelReply'],
  ),
  request(
    'taskExplain',
    SUBJECTS.taskExplain,
    'Why a task waits, or where a task would go.',
    ['TaskIdRequest', 'DistributedTaskInput'],
    ['ExplainReply'],
  ),
  request(
    'taskDistribute',
    SUBJECTS.taskDistribute,
    'Submits a task with fan_out and answers with its result.',
    ['DistributedTaskInput'],
    ['FanOutResult'],
  ),
  event(
    'taskDead',
    deadSubject('{id}'),
    'A task that killed pool after pool: its dead letter, stored in the stream DEAD for 7 days.',
    ['DeadLetter'],
  ),
  request(
    'deadList',
    SUBJECTS.deadList,
    'Dead letters, in pages.',
    ['DeadListRequest', 'Empty'],
    ['DeadListReply'],
  ),
  request('deadGet', SUBJECTS.deadGet, 'One dead letter, whole.', ['TaskIdRequest'], ['DeadLetter']),
  request(
    'deadRetry',
    SUBJECTS.deadRetry,
    'Submits the task of a dead letter again under a new id, and takes the letter out.',
    ['TaskIdRequest'],
    ['DeadRetryReply'],
  ),
  request(
    'deadPurge',
    SUBJECTS.deadPurge,
    'Takes dead letters out for good.',
    ['DeadPurgeRequest'],
    ['DeadPurgeReply'],
  ),
  request(
    'poolRegister',
    SUBJECTS.poolRegister,
    'Registers a pool, or replaces the one of that name.',
    ['PoolDescriptorInput'],
    ['PoolDescriptor'],
  ),
  request(
    'poolDeregister',
    SUBJECTS.poolDeregister,
    'Takes a pool out, at once or when its last task ends.',
    ['DeregisterRequest'],
    ['DeregisterReply'],
  ),
  {
    id: 'poolHeartbeat',
    address: heartbeatSubject('{name}'),
    action: 'receive',
    summary: 'A pool tells its load, every 5 s by default; three missed and it is unavailable.',
    messages: ['Heartbeat'],
  },
  {
    id: 'poolWork',
    address: workSubject('{name}'),
    action: 'send',
    summary:
      'Work for a nats pool, which subscribes in the queue group of its name and answers with a result.',
    messages: ['DistributedTask'],
    reply: ['PoolAnswer'],
    headers: RUN,
  },
  event(
    'poolProgress',
    progressSubject('{name}'),
    'How far runs are, at most four times a second for a task; not stored.',
    ['Progress'],
  ),
  event('poolCancel', cancelSubject('{name}'), 'Tells a pool to stop a task if it can.', ['CancelRequest']),
  {
    id: 'poolHealth',
    address: healthSubject('{name}'),
    action: 'send',
    summary: 'Asks a pool how it is; no answer counts against it.',
    messages: ['Empty'],
    reply: ['PoolHealthAnswer'],
  },
  event('poolRegistered', SUBJECTS.poolRegistered, 'A pool was registered.', ['PoolEvent']),
  event('poolDeregistered', SUBJECTS.poolDeregistered, 'A pool is gone.', ['PoolEvent']),
  event('poolUnhealthy', SUBJECTS.poolUnhealthy, 'A pool got worse.', ['PoolEvent']),
  event('poolRecovered', SUBJECTS.poolRecovered, 'A pool is healthy again.', ['PoolEvent']),
  request(
    'poolList',
    SUBJECTS.poolList,
    'Pools by capability, region and type, in pages.',
    ['PoolListRequest', 'Empty'],
    ['PoolListReply'],
  ),
  request('poolGet', SUBJECTS.poolGet, 'One pool.', ['PoolNameRequest'], ['PoolDescriptor']),
  request('poolStats', SUBJECTS.poolStats, 'Counts over all pools.', ['Empty'], ['PoolStatsReply']),
  request(
    'poolDiscover',
    SUBJECTS.poolDiscover,
    'Asks endpoints for their pools and registers them.',
    ['DiscoverRequest', 'Empty'],
    ['DiscoverReply'],
  ),
  request(
    'poolScalable',
    SUBJECTS.poolScalable,
    'The pools whose number of workers can be changed. Everybody answers who can change some.',
    ['Empty'],
    ['ScalableReply'],
  ),
  request(
    'poolScale',
    scaleSubject('{scaler}'),
    'Changes how many workers a pool has.',
    ['ScaleRequest'],
    ['ScalablePool'],
  ),
  request(
    'healthCheck',
    SUBJECTS.healthCheck,
    'Checks one pool or all, now.',
    ['HealthCheckRequest', 'Empty'],
    ['HealthCheckReply'],
  ),
  request(
    'healthHistory',
    SUBJECTS.healthHistory,
    'The last checks of a pool.',
    ['HealthHistoryRequest'],
    ['HealthHistoryReply'],
  ),
  request(
    'healthStats',
    SUBJECTS.healthStats,
    'Counts of the health monitor.',
    ['Empty'],
    ['HealthStatsReply'],
  ),
  request(
    'executorStats',
    SUBJECTS.executorStats,
    'Counts over all executors.',
    ['Empty'],
    ['ExecutorStatsReply'],
  ),
  request(
    'memorySearch',
    SUBJECTS.memorySearch,
    'Searches what tasks came to.',
    ['MemorySearchRequest'],
    ['MemorySearchReply'],
  ),
]
