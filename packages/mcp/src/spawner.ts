// Processes of pools that pool_spawn started. They belong to this object: they are drained when it is disposed of, and
// end with its process, however that ends. Each process is a pool of its own, `<name>-<n>`, so that its heartbeats, health and
// running tasks are its own. Only commands of the configured types are run, with their argument vectors, through no shell.
import { PoolmeshError, requireExpected, requireWithin } from '@poolmesh/types'
import { Guard } from './guard.ts'
import type { ProcessType } from './pool-types.ts'
import { DRAIN_MS, WorkerProcess } from './worker-process.ts'

/** Processes of all groups together. */
const MAX_PROCESSES = 64

export interface SpawnRequest {
  poolType: string
  name: string
  min: number
  max: number
}

interface Group extends SpawnRequest {
  type: ProcessType
  processes: WorkerProcess[]
  next: number
}

export interface GroupState {
  pool_id: string
  pool_type: string
  min_workers: number
  max_workers: number
  workers: number
  processes: { pool: string; pid: number | null; restarts: number; state: string }[]
}

interface ScaleOptions {
  /** Processes that there must be now. */
  expected?: number | undefined
  /** Tasks that run in each pool: where processes are drained, those with the fewest. */
  running?: ReadonlyMap<string, number>
}

export class PoolSpawner implements AsyncDisposable {
  readonly #env: Readonly<Record<string, string>>
  readonly #ended: (pool: string) => Promise<void>
  readonly #groups = new Map<string, Group>()
  /** Groups whose processes have not all ended: another of that name would register the same pools. */
  readonly #closing = new Set<string>()
  /** Processes that are draining count until they are gone. */
  readonly #draining = new Set<WorkerProcess>()
  readonly #guard = new Guard(DRAIN_MS)
  #closed = false

  /**
   * @param env what every process gets: where the server is
   * @param ended a process that was drained is gone; never rejects
   */
  constructor(env: Readonly<Record<string, string>>, ended: (pool: string) => Promise<void>) {
    this.#env = env
    this.#ended = ended
  }

  /** @throws PoolmeshError CONFLICT, OVERLOADED */
  spawn(type: ProcessType, request: SpawnRequest): GroupState {
    const { name, min } = request
    if (this.#groups.has(name)) throw new PoolmeshError('CONFLICT', `the pool ${name} is already spawned`)
    if (this.#closing.has(name)) throw new PoolmeshError('CONFLICT', `the pool ${name} is still being closed`)
    this.#requireRoom(min)
    const group: Group = { ...request, type, processes: [], next: 1 }
    this.#groups.set(name, group)
    this.#add(group, min)
    return this.state(name)
  }

  /** @throws PoolmeshError NOT_FOUND, OVERLOADED, CONFLICT, INVALID_INPUT outside of its min and max */
  scale(name: string, target: number, { expected, running }: ScaleOptions = {}): GroupState {
    const group = this.#require(name)
    requireWithin(name, { min_workers: group.min, max_workers: group.max }, target)
    requireExpected(name, group.processes.length, expected)
    const more = target - group.processes.length
    if (more > 0) {
      this.#requireRoom(more)
      this.#add(group, more)
    } else if (more < 0) {
      const load = ({ pool }: WorkerProcess): number => running?.get(pool) ?? 0
      // Of equals the one that was started last: sorting keeps their order.
      const surplus = group.processes.toReversed().sort((a, b) => load(a) - load(b))
      const leaving = new Set(surplus.slice(0, -more))
      group.processes = group.processes.filter((process) => !leaving.has(process))
      for (const process of leaving) void this.#drain(process)
    }
    return this.state(name)
  }

  /** Resolves when its processes are gone. @returns how many there were. @throws PoolmeshError NOT_FOUND */
  async close(name: string): Promise<number> {
    const { processes } = this.#require(name)
    this.#groups.delete(name)
    this.#closing.add(name)
    await Promise.all(processes.map((process) => this.#drain(process)))
    this.#closing.delete(name)
    return processes.length
  }

  has(name: string): boolean {
    return this.#groups.has(name)
  }

  names(): string[] {
    return [...this.#groups.keys()]
  }

  state(name: string): GroupState {
    const { poolType, min, max, processes } = this.#require(name)
    return {
      pool_id: name,
      pool_type: poolType,
      min_workers: min,
      max_workers: max,
      workers: processes.length,
      processes: processes.map((process) => process.state()),
    }
  }

  #require(name: string): Group {
    const group = this.#groups.get(name)
    if (!group) throw new PoolmeshError('NOT_FOUND', `no pool ${name} was spawned here`)
    return group
  }

  #requireRoom(more: number): void {
    if (this.#closed) throw new PoolmeshError('UNAVAILABLE', 'the gateway is stopping')
    const now = [...this.#groups.values()].reduce((sum, { processes }) => sum + processes.length, 0)
    if (now + this.#draining.size + more > MAX_PROCESSES)
      throw new PoolmeshError('OVERLOADED', `there would be more than ${MAX_PROCESSES} processes of pools`)
  }

  #add(group: Group, count: number): void {
    const { type } = group
    const passed = ['PATH', 'HOME', ...type.env].flatMap((key) => {
      const value = process.env[key]
      return value === undefined ? [] : [[key, value] as const]
    })
    for (let made = 0; made < count; made++) {
      const pool = `${group.name}-${group.next++}`
      const env = { ...Object.fromEntries(passed), ...this.#env, POOLMESH_POOL_NAME: pool }
      group.processes.push(new WorkerProcess(pool, type, env, this.#guard))
    }
  }

  async #drain(process: WorkerProcess): Promise<void> {
    this.#draining.add(process)
    await process.stop()
    if (!this.#closed) await this.#ended(process.pool)
    this.#draining.delete(process)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    await Promise.all(this.names().map((name) => this.close(name)))
    await Promise.all([...this.#draining].map((process) => process.stop()))
    this.#guard[Symbol.dispose]()
  }
}
