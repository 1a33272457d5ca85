import { type DistributedTaskInput, isJsonObject, PoolmeshError } from '@poolmesh/types'
import { readJsonArgument } from './json-argument.ts'
import type { TaskOptions } from './options.ts'

/**
 * The task that the options describe, with nothing in it that was not given: what is missing is filled in where it is
 * submitted, and what is wrong is said there, by path.
 * @throws PoolmeshError INVALID_INPUT, INVALID_JSON for what cannot be read as JSON
 */
export async function taskOf(taskType: string, options: TaskOptions): Promise<DistributedTaskInput> {
  if (isStandardInput(options.payload) && isStandardInput(options.metadata))
    throw new PoolmeshError('INVALID_INPUT', '--payload and --metadata cannot both be standard input')
  const metadata = await metadataOf(options)
  const given = {
    task_id: options.id,
    task_type: taskType,
    payload: options.payload === undefined ? {} : await readJsonArgument('--payload', options.payload),
    required_capabilities: options.capability,
    routing_strategy: options.strategy,
    timeout: options.timeout,
    queue_timeout: options.queueTimeout,
    max_attempts: options.maxAttempts,
    priority: options.priority,
    pool: options.pool,
    metadata,
  }
  const task = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  return task as DistributedTaskInput
}

async function metadataOf({ metadata, region }: TaskOptions): Promise<unknown> {
  const given = metadata === undefined ? undefined : await readJsonArgument('--metadata', metadata)
  if (region === undefined) return given
  return given === undefined || isJsonObject(given) ? { ...given, region } : given
}

const isStandardInput = (argument: string | undefined): boolean => argument === '-' || argument === '@-'
