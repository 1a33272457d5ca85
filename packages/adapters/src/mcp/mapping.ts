// Which tool of a server runs a task, and what it is sent. Users can say it in the pool's `metadata.mcp`.
import type { Run } from '@poolmesh/core'
import { type DistributedTask, isJsonObject, type PoolDescriptor } from '@poolmesh/types'

/** The first that the server has is used, unless the pool says which. */
const RUNNERS = ['worker_execute', 'execute_on_pool', 'pool_execute'] as const
type Runner = (typeof RUNNERS)[number]
type KnownTool = Runner | 'worker_spawn' | 'worker_close'

/** Of `worker_execute`: what lies outside of it is refused. */
const MIN_TIMEOUT_S = 30
const MAX_TIMEOUT_S = 3600

/** `metadata.mcp` of a pool, read once for each run. What is not as described here counts as left out. */
export interface Mapping {
  /** What the server calls a tool. */
  name(tool: KnownTool): string
  /** The tool that runs tasks, by its known name or the server's own. */
  readonly use: string | null
  /** Sent with each task, over what is made of the task. */
  readonly args: Readonly<Record<string, unknown>>
  readonly poolId: string
  /** What `worker_spawn` is to make; the server's default if null. */
  readonly workerType: string | null
  /** Workers that are there; none are made then. */
  readonly workerIds: readonly string[]
}

export function mappingOf(pool: PoolDescriptor): Mapping {
  const given = pool.metadata['mcp']
  const mcp = isJsonObject(given) ? given : {}
  const names = isJsonObject(mcp['tools']) ? mcp['tools'] : {}
  const ids: unknown[] = Array.isArray(mcp['worker_ids']) ? mcp['worker_ids'] : []
  return {
    name: (tool) => text(names[tool]) ?? tool,
    use: text(mcp['use']),
    args: isJsonObject(mcp['arguments']) ? mcp['arguments'] : {},
    poolId: text(mcp['pool_id']) ?? pool.name,
    workerType: text(mcp['worker_type']),
    workerIds: ids.filter((id): id is string => text(id) !== null),
  }
}

const text = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null)

/** How a task is run: by a tool that is known, or by one of the server's own, which gets the payload as its arguments. */
export type Plan = { runner: Runner; tool: string } | { runner: null; tool: string }

/** @returns a text where the server has nothing to run a task with */
export function planOf(mapping: Mapping, tools: ReadonlySet<string>): Plan | string {
  const { use } = mapping
  const wanted = use === null ? RUNNERS : RUNNERS.filter((runner) => runner === use)
  if (use !== null && wanted.length === 0)
    return tools.has(use)
      ? { runner: null, tool: use }
      : 'the server has no tool of the name in metadata.mcp.use'
  const runner = wanted.find((known) => tools.has(mapping.name(known)))
  if (runner) return { runner, tool: mapping.name(runner) }
  return `the server has none of the tools ${wanted.map((known) => mapping.name(known)).join(', ')}`
}

/**
 * What the tool is sent.
 * @param task with its payload
 * @param workerId of `worker_execute`
 */
export function argumentsOf(
  { runner }: Plan,
  mapping: Mapping,
  { attempt, deadline }: Run,
  task: DistributedTask,
  workerId: string | null,
): Record<string, unknown> {
  if (runner === null) return { ...task.payload, ...mapping.args }
  const seconds = Math.max(1, Math.ceil((deadline - Date.now()) / 1000))
  const { prompt, rest } = promptOf(task)
  if (runner === 'worker_execute') {
    const timeout = Math.min(MAX_TIMEOUT_S, Math.max(MIN_TIMEOUT_S, seconds))
    return { worker_id: workerId, prompt, timeout, ...mapping.args }
  }
  const common = { pool_id: mapping.poolId, prompt, timeout: seconds }
  if (runner === 'pool_execute') return { ...common, ...mapping.args }
  const context = { task_id: task.task_id, task_type: task.task_type, attempt, ...rest }
  return { ...common, context, ...mapping.args }
}

/** The payload's `prompt`, and then the rest of the payload apart; else type and payload as JSON. */
function promptOf({ task_type, payload }: DistributedTask): { prompt: string; rest: object } {
  const { prompt, ...others } = payload
  if (typeof prompt !== 'string') return { prompt: JSON.stringify({ task_type, payload }), rest: {} }
  return { prompt, rest: Object.keys(others).length > 0 ? { payload: others } : {} }
}
