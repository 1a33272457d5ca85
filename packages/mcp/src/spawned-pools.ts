// The pools that pool_spawn made. Processes are this process's own and end with it. A Kubernetes pool is a registration and the
// Jobs of its tasks: it belongs to nobody, what has to be known of it is in `metadata.scaling`, and so it outlives whoever
// made it. All of them are scaled here, and by requests on the bus (docs/protocol.md, Scaling).
import { setTimeout as sleep } from 'node:timers/promises'
import { type NatsConnection, nuid } from '@nats-io/transport-node'
import { endpoint, type Logger, type Settings, serve } from '@poolmesh/bus'
import type { DistributedTaskExecutor, PoolRegistry } from '@poolmesh/client'
import {
  PoolmeshError,
  type PoolView,
  REGISTRY_SCALER,
  type ScalablePool,
  type Scaling,
  SUBJECTS,
  scaleRequestSchema,
  scaleSubject,
  scalingOf,
} from '@poolmesh/types'
import * as z from 'zod'
import { type KubernetesType, type PoolTypes, readPoolTypes, requireType } from './pool-types.ts'
import { type GroupState, PoolSpawner, type SpawnRequest } from './spawner.ts'

/** For the executor to hear of a pool that was registered, and to say whether it can use it. */
const HEARD_MS = 3_000
const LOOK_MS = 50

export interface SpawnedPoolsParts {
  /** All of it stays the caller's. */
  nc: NatsConnection
  registry: PoolRegistry
  executor: DistributedTaskExecutor
  settings: Settings
  log: Logger
  /** Address of the NATS server, for the processes. */
  url: string
}

export interface SpawnOptions {
  poolType: string
  name: string
  /** Workers to begin with; left out: the setting. */
  min?: number | undefined
  /** Left out: the setting. */
  max?: number | undefined
}

export interface ClosedPool {
  pool_id: string
  closed: boolean
  /** It is gone when its last task has ended. */
  draining: boolean
  processes_ended: number
}

export class SpawnedPools implements AsyncDisposable {
  readonly #types: PoolTypes
  readonly #parts: SpawnedPoolsParts
  readonly #processes: PoolSpawner
  /** Our name, as who scales our processes. */
  readonly #scaler = nuid.next()
  readonly #owned = new AsyncDisposableStack()

  private constructor(types: PoolTypes, parts: SpawnedPoolsParts) {
    const { nats_token } = parts.settings.poolmesh
    this.#types = types
    this.#parts = parts
    const env: Record<string, string> = { NATS_URL: parts.url }
    if (nats_token !== undefined) env['POOLMESH_NATS_TOKEN'] = nats_token
    // One that was killed, or told to end before it had begun, did not say so itself.
    const ended = async (pool: string): Promise<void> => {
      await parts.registry.deregisterPool(pool).catch(() => {})
    }
    this.#processes = this.#owned.use(new PoolSpawner(env, ended))
  }

  /**
   * Reads the file of pool types, and answers on the bus for the processes that come.
   * @throws PoolmeshError INVALID_SETTING where the file cannot be used
   */
  static async open(parts: SpawnedPoolsParts): Promise<SpawnedPools> {
    const pools = new SpawnedPools(readPoolTypes(parts.settings.poolmesh.spawn_file), parts)
    // Stopped first: nobody can start more while they are drained.
    pools.#owned.use(await pools.#serve())
    return pools
  }

  #serve(): Promise<AsyncDisposable> {
    return serve(this.#parts.nc, {
      name: 'poolmesh-scaler',
      description: 'Changes how many processes the pools have that were started here',
      queue: this.#scaler,
      log: this.#parts.log,
      endpoints: [
        endpoint({
          subject: SUBJECTS.poolScalable,
          request: z.looseObject({}),
          handle: () => ({ pools: this.processGroups().map((group) => this.#scalable(group)) }),
        }),
        endpoint({
          subject: scaleSubject(this.#scaler),
          request: scaleRequestSchema,
          handle: async ({ name, target_workers, expected_workers }) =>
            this.#scalable(await this.#scaleProcesses(name, target_workers, expected_workers)),
        }),
      ],
    })
  }

  #scalable(group: GroupState): ScalablePool {
    const { pool_id, pool_type, min_workers, max_workers, workers, processes } = group
    return {
      name: pool_id,
      scaler: this.#scaler,
      pool_type,
      min_workers,
      max_workers,
      workers,
      pools: processes.map(({ pool }) => pool),
      place: `processes ${this.#scaler}`,
    }
  }

  /** Those whose processes are ours. */
  processGroups(): GroupState[] {
    return this.#processes.names().map((name) => this.#processes.state(name))
  }

  /** Names under which the processes of a group register; null: no process of that name was started here. */
  processesOf(name: string): string[] | null {
    return this.#processes.has(name) ? this.#processes.state(name).processes.map(({ pool }) => pool) : null
  }

  /**
   * @throws PoolmeshError NOT_FOUND for a type that is not configured; CONFLICT where the name is taken; OVERLOADED;
   *   INVALID_INPUT; UNAVAILABLE where the registry does not answer, or no task can be sent to the pool
   */
  async spawn({ poolType, name, min, max }: SpawnOptions): Promise<GroupState> {
    const { min_workers, max_workers } = this.#parts.settings.pools
    const type = requireType(this.#types, poolType)
    const least = min ?? Math.min(min_workers, max ?? min_workers)
    const request = { poolType, name, min: least, max: max ?? Math.max(max_workers, least) }
    if (request.min > request.max)
      throw new PoolmeshError('INVALID_INPUT', 'min_workers is more than max_workers')
    const taken = await this.#registered(name)
    if (taken)
      throw new PoolmeshError(
        'CONFLICT',
        `there is a pool ${name} already${taken['draining'] === true ? ', which drains' : ''}`,
      )
    return 'kubernetes' in type
      ? await this.#spawnKubernetes(type, request)
      : this.#processes.spawn(type, request)
  }

  async #registered(name: string): Promise<PoolView | null> {
    try {
      return await this.#parts.registry.getPoolStatus(name)
    } catch (error) {
      if (error instanceof PoolmeshError && error.code === 'NOT_FOUND') return null
      throw error
    }
  }

  async #spawnKubernetes(type: KubernetesType, request: SpawnRequest): Promise<GroupState> {
    const { name, min, max, poolType } = request
    if (this.#processes.has(name)) throw new PoolmeshError('CONFLICT', `the pool ${name} is already spawned`)
    const { registry } = this.#parts
    await registry.registerPool({
      name,
      pool_type: 'kubernetes',
      endpoint: type.endpoint,
      capabilities: type.capabilities,
      region: type.region,
      max_workers: min,
      metadata: {
        kubernetes: type.kubernetes,
        scaling: { min_workers: min, max_workers: max, spawned: poolType },
      },
    })
    const obstacle = await this.#obstacle(name)
    if (obstacle !== null) {
      await registry.deregisterPool(name).catch(() => {})
      throw new PoolmeshError('UNAVAILABLE', `no task can be sent to a pool of type ${poolType}: ${obstacle}`)
    }
    return kubernetesState(name, { min_workers: min, max_workers: max, spawned: poolType }, min)
  }

  /** Why the executor cannot use the pool; null: it can, or does not say it. */
  async #obstacle(name: string): Promise<string | null> {
    const task = { task_type: 'prompt', payload: {}, pool: name }
    for (const end = Date.now() + HEARD_MS; Date.now() < end; await sleep(LOOK_MS)) {
      const explained = await this.#parts.executor.explainTask(task).catch(() => null)
      if (explained === null) return null
      const found = explained.candidates.find(({ pool }) => pool === name)
      if (found) return found.verdict === 'unavailable' ? found.reason : null
    }
    return null
  }

  /**
   * Starts or drains processes, or changes how many Jobs run at the same time; also of pools that others spawned.
   * @throws PoolmeshError NOT_FOUND, OVERLOADED, CONFLICT; INVALID_INPUT outside of its limits, or for a pool that has none
   */
  async scale(name: string, target: number): Promise<GroupState> {
    if (this.#processes.has(name)) return await this.#scaleProcesses(name, target)
    const { registry } = this.#parts
    try {
      return stateOfScalable(await registry.scalePool({ name, scaler: REGISTRY_SCALER }, target))
    } catch (error) {
      if (!(error instanceof PoolmeshError && error.code === 'NOT_FOUND')) throw error
      // Processes of somebody else.
      const others = await registry.listScalable()
      const pool = others.find((one) => one.name === name)
      if (!pool) throw error
      return stateOfScalable(await registry.scalePool(pool, target))
    }
  }

  async #scaleProcesses(name: string, target: number, expected?: number): Promise<GroupState> {
    const { registry } = this.#parts
    const counted = (await this.registered(name)).map(
      async (pool) => [pool.name, await registry.countRunning(pool)] as const,
    )
    const running = new Map(await Promise.all(counted))
    return this.#processes.scale(name, target, { expected, running })
  }

  /** The processes of a group that have registered. @throws PoolmeshError NOT_FOUND */
  async registered(name: string): Promise<PoolView[]> {
    const { processes } = this.#processes.state(name)
    const views = processes.map(({ pool }) => this.#parts.registry.getPoolStatus(pool))
    const settled = await Promise.allSettled(views)
    return settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  }

  /** Processes have ended when it resolves; any other pool goes when its last task has ended. @throws PoolmeshError NOT_FOUND */
  async close(name: string): Promise<ClosedPool> {
    const base = { pool_id: name, closed: true, draining: false, processes_ended: 0 }
    if (this.#processes.has(name)) return { ...base, processes_ended: await this.#processes.close(name) }
    const { draining } = await this.#parts.registry.deregisterPool(name, { drain: true })
    return { ...base, draining }
  }

  /** Closes our processes, and all Kubernetes pools that some pool_spawn made. */
  async closeAll(): Promise<ClosedPool[]> {
    const closing = this.#processes.names().map((name) => this.close(name))
    for await (const pool of this.#parts.registry.iterate({ pool_type: 'kubernetes' }))
      if (spawnedState(pool) && pool['draining'] !== true) closing.push(this.close(pool.name))
    return await Promise.all(closing)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync()
  }
}

/** Of a registered pool that some pool_spawn made; null: it is another. */
export function spawnedState({ name, max_workers, metadata }: PoolView): GroupState | null {
  const scaling = scalingOf({ metadata })
  return scaling?.spawned === undefined ? null : kubernetesState(name, scaling, max_workers)
}

const kubernetesState = (name: string, scaling: Scaling, workers: number): GroupState => ({
  pool_id: name,
  pool_type: scaling.spawned ?? 'kubernetes',
  min_workers: scaling.min_workers,
  max_workers: scaling.max_workers,
  workers,
  processes: [],
})

/** Of somebody else's processes we do not know more. */
const stateOfScalable = ({
  name,
  pool_type,
  min_workers,
  max_workers,
  workers,
}: ScalablePool): GroupState => ({
  pool_id: name,
  pool_type,
  min_workers,
  max_workers,
  workers,
  processes: [],
})
