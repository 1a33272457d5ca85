export {
  Aggregation,
  type DistributedTask,
  type DistributedTaskInput,
  type DistributedTaskResult,
  HealthStatus,
  type MemoryHit,
  type MemorySearchReply,
  type MemorySource,
  type PoolDescriptor,
  type PoolDescriptorInput,
  PoolmeshError,
  PoolType,
  RoutingStrategy,
  type ScalablePool,
  TaskStatus,
} from '@poolmesh/types'
export type { DeadLetters } from './dead-letters.ts'
export {
  type DistributedResults,
  type DistributeOptions,
  TaskDistributor,
  type TaskDistributorOptions,
} from './distributor.ts'
export {
  type EndedTask,
  type RecentResultsOptions,
  type ResultFilter,
  recentResults,
  type TailResultsOptions,
  tailResults,
} from './ended-tasks.ts'
export type { EventStream } from './event-stream.ts'
export { DistributedTaskExecutor } from './executor.ts'
export { PoolHealthMonitor } from './health-monitor.ts'
export { type ListTasksOptions, listTasks } from './list-tasks.ts'
export { searchMemory } from './memory.ts'
export {
  type PoolChange,
  type PoolEventKind,
  type PoolEventOptions,
  type RecentPoolEventsOptions,
  recentPoolEvents,
  type StoredPoolChange,
} from './pool-events.ts'
export type { BackPage } from './read-back.ts'
export { type PoolFilter, type PoolPage, PoolRegistry, type PoolRegistryOptions } from './registry.ts'
export type { RequestOptions } from './requests.ts'
export type { StoreOutcome } from './submission/store-tasks.ts'
export type { SubmissionOptions } from './submission/submissions.ts'
export type { SubmitManyOptions, SubmitProgress, TaskSource, TaskStream } from './submission/task-stream.ts'
export {
  createDistributedPoolSystem,
  DEFAULT_SERVER,
  type DistributedPoolSystem,
  type SystemOptions,
} from './system.ts'
export type { SubmitOptions, TaskEvent, TaskHandle } from './task-handle.ts'
export { readResults, summaryOf, type TaskSummary } from './task-summary.ts'
