// What each tool does. Arguments are those that agents already send.
import { type DistributedTaskInput, PoolmeshError, RoutingStrategy, searchMemory } from '@poolmesh/client'
import type { PoolView } from '@poolmesh/types'
import * as z from 'zod'
import * as answers from './answers.ts'
import type { ToolContext } from './context.ts'
import { spawnedState } from './spawned-pools.ts'
import type { GroupState } from './spawner.ts'

export interface Telling {
  /** Aborted when the call is cancelled, or its session ends. */
  signal: AbortSignal
  progress(message: string): void
}

interface Tool {
  name: string
  title: string
  description: string
  input: z.ZodObject
  /** What it answers where it is not refused; agents are told. */
  output: z.ZodObject
  annotations: {
    readOnlyHint: boolean
    destructiveHint: boolean
    idempotentHint: boolean
    openWorldHint: boolean
  }
  run(context: ToolContext, args: Record<string, unknown>, telling: Telling): Promise<object>
}

const hints = (readOnly: boolean, destructive: boolean, idempotent: boolean, openWorld = false) => ({
  readOnlyHint: readOnly,
  destructiveHint: destructive,
  idempotentHint: idempotent,
  openWorldHint: openWorld,
})
const READS = hints(true, false, true)
const STARTS = hints(false, false, false)
const RUNS = hints(false, true, false, true)
const ENDS = hints(false, true, true)

const id = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ -')
const prompt = z.string().min(1).describe('What is to be done; the payload of the task is {"prompt": …}')
/** Agents send null for what they leave open. */
const or = <Schema extends z.ZodType, Value>(schema: Schema, value: Value) =>
  schema.nullish().transform((given) => given ?? value)
const timeout = or(z.int().min(1).max(3_600), 300).describe('Seconds that the run may take; default 300')
const workers = z.int().min(1).max(1_000)
/** Names that agents use for strategies, beyond ours. */
const SELECTORS: Readonly<Record<string, RoutingStrategy>> = {
  random: RoutingStrategy.ROUND_ROBIN,
}
const selector = z.enum([...Object.values(RoutingStrategy), 'random'])

function define<Input extends z.ZodObject>(
  tool: Omit<Tool, 'input' | 'run'> & {
    input: Input
    run(context: ToolContext, args: z.output<Input>, telling: Telling): Promise<object>
  },
): Tool {
  // The server has checked the arguments with `input`.
  return { ...tool, run: (context, args, telling) => tool.run(context, args as z.output<Input>, telling) }
}

/** Runs to the end; a call that is cancelled cancels the task. */
async function execute(context: ToolContext, task: DistributedTaskInput, { signal, progress }: Telling) {
  const result = await context.executor.executeTask(task, undefined, {
    signal,
    onStatus: ({ task_id, status, pool_name }) =>
      progress(`task ${task_id} is ${status}${pool_name === null ? '' : ` on ${pool_name}`}`),
  })
  if (result.status === 'completed') return result
  const reason = result.metadata['reason']
  throw new PoolmeshError(
    result.status === 'cancelled'
      ? 'CANCELLED'
      : reason === 'QUEUE_TIMEOUT'
        ? 'QUEUE_TIMEOUT'
        : 'HANDLER_ERROR',
    `the task ${result.task_id} ended ${result.status} (${String(reason ?? 'no reason')}): ${result.error ?? 'no error told'}. task_explain {"task_id":"${result.task_id}"} says more`,
  )
}

/** The pool of that name; of a spawned one, its process with the least load. @throws PoolmeshError NOT_FOUND */
async function poolOf({ spawned, registry }: ToolContext, poolId: string): Promise<PoolView> {
  if (spawned.processesOf(poolId) === null) return await registry.getPoolStatus(poolId)
  const found = await spawned.registered(poolId)
  const [best] = found.filter((pool) => pool.is_available).sort((a, b) => a.load_factor - b.load_factor)
  const pool = best ?? found[0]
  if (pool) return pool
  throw new PoolmeshError('UNAVAILABLE', `no process of the pool ${poolId} has registered yet`)
}

/** Our processes, and those of the registered pools that some pool_spawn made. */
const spawnedOf = ({ spawned }: ToolContext, pools: readonly PoolView[]): GroupState[] => [
  ...spawned.processGroups(),
  ...pools.flatMap((pool) => spawnedState(pool) ?? []),
]

export const TOOLS: readonly Tool[] = [
  define({
    name: 'pool_list',
    title: 'List pools',
    description: 'The pools that there are, a page at a time, and those of them that were spawned.',
    input: z.object({
      capability: or(z.string(), undefined),
      region: or(z.string(), undefined),
      active_only: or(z.boolean(), undefined),
      limit: or(z.int().min(1).max(1_000), 100).describe('Default 100'),
      cursor: or(z.string(), undefined).describe('What the page before gave'),
    }),
    output: answers.list,
    annotations: READS,
    async run(context, args) {
      const page = await context.registry.listPools(args)
      return { ...page, spawned: spawnedOf(context, page.pools) }
    },
  }),
  define({
    name: 'pool_spawn',
    title: 'Start a pool',
    description:
      'Makes a pool of a configured type: worker processes, each of which becomes a pool `<name>-<n>`, or a Kubernetes pool, which runs a Job for each task.',
    input: z.object({
      pool_type: id,
      name: id.max(56),
      min_workers: or(workers, undefined).describe(
        'It begins with so many; the default is a setting, as a rule 1',
      ),
      max_workers: or(workers, undefined).describe('The default is a setting, as a rule 10'),
    }),
    output: answers.group,
    annotations: STARTS,
    run: ({ spawned }, { pool_type, name, min_workers, max_workers }) =>
      spawned.spawn({ poolType: pool_type, name, min: min_workers, max: max_workers }),
  }),
  define({
    name: 'pool_execute',
    title: 'Run on a pool',
    description: 'Runs a prompt on one pool and waits for the result.',
    input: z.object({ pool_id: id, prompt, timeout }),
    output: answers.result,
    annotations: RUNS,
    async run(context, { pool_id, prompt: text, timeout: seconds }, telling) {
      const { name } = await poolOf(context, pool_id)
      const task = { task_type: 'prompt', payload: { prompt: text }, timeout: seconds, pool: name }
      return await execute(context, task, telling)
    },
  }),
  define({
    name: 'pool_route_execute',
    title: 'Run where it fits',
    description: 'Runs a prompt on the pool that a routing strategy chooses, and waits for the result.',
    input: z.object({
      prompt,
      pool_selector: or(selector, RoutingStrategy.LEAST_LOADED).describe('Default least_loaded'),
      timeout,
      required_capabilities: or(z.array(z.string()).max(64), []),
    }),
    output: answers.result,
    annotations: RUNS,
    run: (context, { prompt: text, pool_selector, timeout: seconds, required_capabilities }, telling) =>
      execute(
        context,
        {
          task_type: 'prompt',
          payload: { prompt: text },
          timeout: seconds,
          required_capabilities,
          routing_strategy: SELECTORS[pool_selector] ?? (pool_selector as RoutingStrategy),
        },
        telling,
      ),
  }),
  define({
    name: 'pool_monitor',
    title: 'Watch pools',
    description: 'How busy pools are, and how many workers those have that were spawned.',
    input: z.object({ pool_ids: or(z.array(id).max(100), undefined).describe('Default: all, at most 100') }),
    output: answers.monitor,
    annotations: READS,
    async run(context, { pool_ids }) {
      const { registry, spawned } = context
      const names = pool_ids?.filter((name) => spawned.processesOf(name) === null)
      const pools = names
        ? await Promise.all(names.map((name) => registry.getPoolStatus(name)))
        : (await registry.listPools({ limit: 100 })).pools
      const asked = (group: GroupState): boolean => pool_ids?.includes(group.pool_id) ?? true
      return { pools, spawned: spawnedOf(context, pools).filter(asked) }
    },
  }),
  define({
    name: 'pool_scale',
    title: 'Scale a pool',
    description:
      'Changes how many workers a pool has, within its min and max: processes are started or drained, of a Kubernetes pool more or fewer Jobs run at the same time.',
    input: z.object({ pool_id: id, target_workers: workers }),
    output: answers.group,
    annotations: ENDS,
    run: ({ spawned }, { pool_id, target_workers }) => spawned.scale(pool_id, target_workers),
  }),
  define({
    name: 'pool_close',
    title: 'Close a pool',
    description:
      'Drains a pool and takes it out; ends its processes if it was spawned here, removes its Jobs if it is a spawned Kubernetes pool.',
    input: z.object({ pool_id: id }),
    output: answers.closed,
    annotations: ENDS,
    run: ({ spawned }, { pool_id }) => spawned.close(pool_id),
  }),
  define({
    name: 'pool_close_all',
    title: 'Close all spawned pools',
    description:
      'Closes every pool that was spawned: the processes of this server, and all spawned Kubernetes pools. Others stay as they are.',
    input: z.object({}),
    output: z.object({ closed: z.array(answers.closed) }),
    annotations: ENDS,
    run: async ({ spawned }) => ({ closed: await spawned.closeAll() }),
  }),
  define({
    name: 'pool_health',
    title: 'Check health',
    description: 'Checks one pool, or all, now.',
    input: z.object({ pool_id: or(id, undefined) }),
    output: answers.health,
    annotations: READS,
    async run(context, { pool_id }) {
      const { monitor } = context
      if (pool_id === undefined) return { pools: await monitor.checkAllPools() }
      const names = context.spawned.processesOf(pool_id) ?? [pool_id]
      const checked = await Promise.all(
        names.map(async (name) => [name, await monitor.checkPool(name)] as const),
      )
      return { pools: Object.fromEntries(checked) }
    },
  }),
  define({
    name: 'pool_search_memory',
    title: 'Search memory',
    description: 'Searches what tasks came to.',
    input: z.object({
      query: z.string().min(1).max(1_000),
      limit: or(z.int().min(1).max(100), 10).describe('Default 10'),
    }),
    output: answers.memory,
    annotations: READS,
    run: ({ nc }, { query, limit }) => searchMemory(nc, query, limit),
  }),
  define({
    name: 'task_status',
    title: 'Status of a task',
    description: 'Where a task is, and its result when it has ended.',
    input: z.object({ task_id: id }),
    output: answers.status,
    annotations: READS,
    run: async ({ executor }, { task_id }) => ({
      ...(await executor.getTaskStatus(task_id)),
      result: await executor.getTaskResult(task_id),
    }),
  }),
  define({
    name: 'task_cancel',
    title: 'Cancel a task',
    description: 'Cancels a task that is pending or runs.',
    input: z.object({ task_id: id, reason: or(z.string().max(500), undefined) }),
    output: answers.cancelled,
    annotations: ENDS,
    run: async ({ executor }, { task_id, reason }) => ({
      task_id,
      cancelled: await executor.cancelTask(task_id, { reason }),
    }),
  }),
  define({
    name: 'task_explain',
    title: 'Explain a task',
    description: 'Why a task is where it is, and which pools were weighed.',
    input: z.object({ task_id: id }),
    output: answers.explained,
    annotations: READS,
    run: ({ executor }, { task_id }) => executor.explainTask(task_id),
  }),
]
