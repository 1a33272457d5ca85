import type { Logger } from '@poolmesh/bus'
import {
  type DistributedTask,
  invalidInput,
  type PoolDescriptor,
  PoolmeshError,
  type PoolType,
  poolDescriptorSchema,
} from '@poolmesh/types'
import { type RunningPool, type StartOptions, startPool } from './pool.ts'

/** What a handler is given beside its task. Each field may be taken out of it: `(task, { signal }) => …`. */
export interface HandlerContext {
  /** Aborted when the task is cancelled, at its deadline (reason: a TimeoutError), and when the pool must stop now. */
  readonly signal: AbortSignal
  /** Its lines have `task_id` and `pool_name`. */
  readonly log: Logger
  /** When the run is over at the latest: the task's `timeout` after it arrived, by this machine's clock. */
  readonly deadline: Date
  /** 1 for the first run of the task. */
  readonly attempt: number
  /** W3C's `traceparent` of the run, for what the handler calls; null where the task has none. */
  readonly traceparent: string | null
  /** Tells how far the run is. @param fraction 0 to 1 @param message for people. Told 4 times a second at most. */
  progress(fraction: number, message?: string): void
}

/**
 * Runs one task. What it returns is the task's `output`: an object as it is, another value as `{value}`, nothing as
 * `{}`. What it throws makes the task `failed`, with the error's message, and its `code` where that is a string.
 */
export type TaskHandler = (task: DistributedTask, context: HandlerContext) => unknown

export interface PoolOptions {
  /** One process at a time has a name; it is a part of subjects: `[A-Za-z0-9_-]{1,64}`. */
  name: string
  /** What tasks may require of it; at most 64. */
  capabilities?: string[]
  /** Tasks that run at the same time; default 10. */
  maxWorkers?: number
  handler: TaskHandler
  region?: string | null
  metadata?: Record<string, unknown>
  poolType?: PoolType
  /** For pool types other than `nats`. */
  endpoint?: string
  /** Tasks that wait for a worker before more are refused; default `maxWorkers`. Executors send no more than run. */
  queueLimit?: number
  /** Seconds; default 5, which is what the health monitor expects. */
  heartbeatInterval?: number
}

/** A pool that can be started, any number of times. */
export interface PoolDefinition {
  readonly name: string
  readonly descriptor: PoolDescriptor
  /** Connects, subscribes, registers; resolves when the registry knows the pool and work can come. */
  start(options?: StartOptions): Promise<RunningPool>
}

/** The definition with everything filled in. */
export interface PoolSpec {
  descriptor: PoolDescriptor
  handler: TaskHandler
  queueLimit: number
  heartbeatMs: number
}

/**
 * Defines a pool: nothing is connected before `.start()`.
 * @throws PoolmeshError INVALID_INPUT that names the wrong option
 */
export function definePool(options: PoolOptions): PoolDefinition {
  return new Definition(readSpec(options))
}

class Definition implements PoolDefinition {
  readonly spec: PoolSpec

  constructor(spec: PoolSpec) {
    this.spec = spec
  }

  get name(): string {
    return this.spec.descriptor.name
  }

  get descriptor(): PoolDescriptor {
    return this.spec.descriptor
  }

  /** A function and no method, so that it can be taken out of the definition. */
  get start(): PoolDefinition['start'] {
    return (options = {}) => startPool(this.spec, options)
  }
}

/** @throws PoolmeshError INVALID_INPUT for what {@link definePool} did not make */
export function specOf(definition: PoolDefinition): PoolSpec {
  if (definition instanceof Definition) return definition.spec
  throw new PoolmeshError('INVALID_INPUT', 'a pool is defined by definePool()')
}

function readSpec(options: PoolOptions): PoolSpec {
  const parsed = poolDescriptorSchema.safeParse({
    name: options.name,
    pool_type: options.poolType ?? 'nats',
    endpoint: options.endpoint,
    capabilities: options.capabilities,
    max_workers: options.maxWorkers,
    region: options.region,
    metadata: options.metadata,
  })
  if (!parsed.success) throw invalidInput(parsed.error, 'the pool')
  const descriptor = parsed.data
  const { handler, queueLimit = descriptor.max_workers, heartbeatInterval = 5 } = options
  if (typeof handler !== 'function') throw wrong('handler', 'must be a function')
  if (!Number.isSafeInteger(queueLimit) || queueLimit < 0)
    throw wrong('queueLimit', 'must be a whole number from 0')
  // Node's timers take no more than 24 days.
  if (!(heartbeatInterval > 0 && heartbeatInterval <= 86_400))
    throw wrong('heartbeatInterval', 'must be seconds, more than 0 and at most 86400')
  return { descriptor, handler, queueLimit, heartbeatMs: heartbeatInterval * 1000 }
}

const wrong = (path: string, message: string): PoolmeshError =>
  new PoolmeshError('INVALID_INPUT', `the pool is not valid at ${path}: ${message}`, [{ path, message }])
