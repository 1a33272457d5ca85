import {
  type Aggregation,
  DEFAULT_MAX_PARALLEL,
  type DistributedTaskInput,
  type DistributedTaskResult,
  ERRORS,
  type ErrorCode,
  type FanOut,
  isJsonObject,
  PoolmeshError,
} from '@poolmesh/types'
import type { DistributedTaskExecutor } from './executor.ts'
import type { SubmitOptions } from './task-handle.ts'

export interface TaskDistributorOptions {
  /** Branches of one task that run at the same time; default 10. */
  maxParallelTasks?: number | undefined
}

export interface DistributeOptions extends SubmitOptions {
  /** Names, descriptors, or `all` that are active and fit. */
  pools: readonly (string | { name: string })[] | 'all'
  /** Default `all_success`. */
  aggregation?: Aggregation | undefined
  /** The guide's name for `aggregation`. */
  aggregationStrategy?: Aggregation | undefined
  /** Successes that `quorum` needs; default more than half. */
  quorum?: number | undefined
  maxParallel?: number | undefined
}

/** The branches' own results, and how the whole ended. */
export type DistributedResults = DistributedTaskResult[] & { readonly parent: DistributedTaskResult }

/** Runs one task on several pools. */
export class TaskDistributor {
  readonly #executor: DistributedTaskExecutor
  readonly #maxParallel: number

  constructor(executor: DistributedTaskExecutor, options: TaskDistributorOptions = {}) {
    this.#executor = executor
    this.#maxParallel = options.maxParallelTasks ?? DEFAULT_MAX_PARALLEL
  }

  /**
   * Ends as soon as the aggregation is decided. A fan-out that failed is a result and no exception: see `parent.status`.
   * @throws PoolmeshError as `executeTask`
   */
  async distributeTask(task: DistributedTaskInput, options: DistributeOptions): Promise<DistributedResults> {
    const { pools, quorum } = options
    const fanOut: FanOut = {
      pools: pools === 'all' ? 'all' : pools.map((pool) => (typeof pool === 'string' ? pool : pool.name)),
      aggregation: options.aggregation ?? options.aggregationStrategy ?? 'all_success',
      max_parallel: options.maxParallel ?? this.#maxParallel,
      ...(quorum === undefined ? {} : { quorum }),
    }
    const parent = await this.#executor.executeTask({ ...task, fan_out: fanOut }, undefined, {
      signal: options.signal,
      onStatus: options.onStatus,
    })
    return Object.assign(branchesOf(parent), { parent })
  }

  /**
   * Runs the task on every active pool that fits, and waits for all.
   * @returns the results by pool name
   * @throws PoolmeshError with the parent's reason when it ended without any branch
   */
  async broadcastTask(
    task: DistributedTaskInput,
    options: Omit<DistributeOptions, 'pools' | 'aggregation' | 'aggregationStrategy' | 'quorum'> = {},
  ): Promise<Record<string, DistributedTaskResult>> {
    const results = await this.distributeTask(task, { ...options, pools: 'all', aggregation: 'all_success' })
    const { parent } = results
    if (results.length === 0 && parent.status !== 'completed')
      throw new PoolmeshError(reasonOf(parent), parent.error ?? `the broadcast ended ${parent.status}`)
    const byPool: [string, DistributedTaskResult][] = []
    for (const result of results) if (result.pool_name !== null) byPool.push([result.pool_name, result])
    return Object.fromEntries(byPool)
  }
}

function branchesOf(parent: DistributedTaskResult): DistributedTaskResult[] {
  const branches = parent.output?.['branches']
  return Array.isArray(branches)
    ? branches.filter((branch): branch is DistributedTaskResult => isJsonObject(branch))
    : []
}

function reasonOf(result: DistributedTaskResult): ErrorCode {
  const reason = String(result.metadata['reason'])
  return Object.hasOwn(ERRORS, reason) ? (reason as ErrorCode) : 'INTERNAL'
}
