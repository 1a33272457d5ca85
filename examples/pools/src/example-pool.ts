import { PoolmeshError } from '@poolmesh/types'
import { definePool, type HandlerContext, type PoolDefinition } from '@poolmesh/worker'

export interface ExamplePoolOptions {
  name?: string
  /** The folder that `path` in a payload is below; default: EXAMPLE_ROOT, else the project's. */
  root?: string
  /** Tasks at the same time; default 4. */
  maxWorkers?: number
}

/** What a pool can do, by task type. */
export type Tasks = Record<string, (payload: unknown, context: HandlerContext) => unknown>

/** A pool whose capabilities are its subjects and the types of its tasks. */
export function defineExamplePool(
  name: string,
  subjects: string[],
  tasks: Tasks,
  options: ExamplePoolOptions,
): PoolDefinition {
  const types = Object.keys(tasks)
  return definePool({
    name: options.name ?? name,
    capabilities: [...subjects, ...types],
    maxWorkers: options.maxWorkers ?? 4,
    handler: (task, context) => {
      const run = Object.hasOwn(tasks, task.task_type) ? tasks[task.task_type] : undefined
      if (run) return run(task.payload, context)
      throw new PoolmeshError(
        'INVALID_INPUT',
        `the task type ${task.task_type} is none of ${types.join(', ')}`,
      )
    },
  })
}
