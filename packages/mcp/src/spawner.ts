// Processes of pools that pool_spawn started. They belong to this object: they are drained when it is disposed of, and
// end with its process, however that ends. Each process is a pool of its own, `<name>-<n>`, so that its heartbeats, health and
// running tasks are its own. Only commands of the configured types are run, with their argument vectors, through no shell.
import { readFileSync } from 'node:fs'
import { PoolmeshError } from '@poolmesh/types'
import * as z from 'zod'
import { Guard } from './guard.ts'
import { DRAIN_MS, WorkerProcess } from './worker-process.ts'

/** Processes of all groups together. */
const MAX_PROCESSES = 64

const typesSchema = z.record(
  z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  z.strictObject({
    command: z.string().min(1),
    args: z.array(z.string()).default([]),
    /** Names of variables that go along; PATH, HOME and those of NATS always do. */
    env: z.array(z.string()).default([]),
  }),
)
export type PoolTypes = z.output<typeof typesSchema>

/** @throws PoolmeshError INVALID_SETTING where the file cannot be read or says something else */
export function readPoolTypes(path: string | undefined): PoolTypes {
  if (path === undefined) return {}
  try {
    return typesSchema.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message
    throw new PoolmeshError('INVALID_SETTING', `the file of pool types ${path} cannot be used: ${why}`, [
      { path: 'POOLMESH_SPAWN_FILE', message: 'must name a JSON file of pool types' },
    ])
  }
}

export interface SpawnRequest {
  poolType: string
  name: string
  min: number
  max: number
}

interface Group extends SpawnRequest {
  processes: WorkerProcess[]
  next: number
}

export interface GroupState {
  pool_id: string
  pool_type: string
  min_workers: number
  max_workers: number
  processes: { pool: string; pid: number | null; restarts: number; state: string }[]
}

export class PoolSpawner implements AsyncDisposable {
  readonly #types: PoolTypes
  readonly #env: Readonly<Record<string, string>>
  readonly #groups = new Map<string, Group>()
  /** Processes that are draining count until they are gone. */
  readonly #draining = new Set<WorkerProcess>()
  readonly #guard = new Guard(DRAIN_MS)
  #closed = false

  /** @param env what every process gets: where the server is */
  constructor(types: PoolTypes, env: Readonly<Record<string, string>>) {
    this.#types = types
    this.#env = env
  }

  /** @throws PoolmeshError NOT_FOUND for a type that is not configured, CONFLICT, OVERLOADED, INVALID_INPUT */
  spawn(request: SpawnRequest): GroupState {
    const { poolType, name, min, max } = request
    if (!Object.hasOwn(this.#types, poolType)) {
      const known = Object.keys(this.#types).join(', ') || 'none: the setting spawn_file names no file'
      throw new PoolmeshError('NOT_FOUND', `there is no pool type ${poolType}; configured are: ${known}`)
    }
    if (this.#groups.has(name)) throw new PoolmeshError('CONFLICT', `the pool ${name} is already spawned`)
    if (min > max) throw new PoolmeshError('INVALID_INPUT', 'min_workers is more than max_workers')
    this.#requireRoom(min)
    const group: Group = { ...request, processes: [], next: 1 }
    this.#groups.set(name, group)
    this.#add(group, min)
    return this.state(name)
  }

  /** @throws PoolmeshError NOT_FOUND, OVERLOADED, INVALID_INPUT outside of its min and max */
  scale(name: string, target: number): GroupState {
    const group = this.#require(name)
    if (target < group.min || target > group.max)
      throw new PoolmeshError(
        'INVALID_INPUT',
        `target_workers must be ${group.min} to ${group.max} for the pool ${name}`,
      )
    const more = target - group.processes.length
    if (more > 0) {
      this.#requireRoom(more)
      this.#add(group, more)
    } else for (const process of group.processes.splice(target)) void this.#drain(process)
    return this.state(name)
  }

  /** Resolves when its processes are gone. @returns how many there were. @throws PoolmeshError NOT_FOUND */
  async close(name: string): Promise<number> {
    const { processes } = this.#require(name)
    this.#groups.delete(name)
    await Promise.all(processes.map((process) => this.#drain(process)))
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
    const type = this.#types[group.poolType]
    if (!type) return
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
    this.#draining.delete(process)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    await Promise.all(this.names().map((name) => this.close(name)))
    await Promise.all([...this.#draining].map((process) => process.stop()))
    this.#guard[Symbol.dispose]()
  }
}
