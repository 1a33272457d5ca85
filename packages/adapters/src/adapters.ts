// All kinds of pools behind one interface: each run goes to the adapter that serves its pool.
import type { Run } from '@poolmesh/core'
import type { PoolDescriptor } from '@poolmesh/types'
import type { KnownRuns, PoolAdapter, RunEvents, Traits } from './adapter.ts'

/** Of pools that no adapter serves: nothing was ever sent there. */
const NOTHING: Traits = { cancel: 'unsupported', output: false, adoption: 'none' }

export class Adapters implements PoolAdapter {
  readonly #all: readonly PoolAdapter[]
  readonly #runs: RunEvents
  readonly #find: (pool: string) => PoolDescriptor | undefined
  #nowhere: Run[] = []

  /** @param find the pools that are registered, by their names */
  constructor(
    all: readonly PoolAdapter[],
    runs: RunEvents,
    find: (pool: string) => PoolDescriptor | undefined,
  ) {
    this.#all = all
    this.#runs = runs
    this.#find = find
  }

  #of(pool: PoolDescriptor): PoolAdapter | undefined {
    return this.#all.find((adapter) => adapter.serves(pool))
  }

  serves(pool: PoolDescriptor): boolean {
    return this.#of(pool) !== undefined
  }

  /** Why no task can be sent to a pool, where an adapter knows more than that it does not serve it. */
  obstacle(pool: PoolDescriptor): string | null {
    for (const adapter of this.#all) {
      const obstacle = adapter.obstacle?.(pool) ?? null
      if (obstacle !== null) return obstacle
    }
    return null
  }

  traits(pool: PoolDescriptor): Traits {
    return this.#of(pool)?.traits(pool) ?? NOTHING
  }

  async act(): Promise<void> {
    await Promise.all(this.#all.map((adapter) => adapter.act()))
  }

  standBy(): void {
    this.#nowhere = []
    for (const adapter of this.#all) adapter.standBy()
  }

  add(run: Run): void {
    const adapter = this.#of(run.pool.descriptor)
    if (adapter) adapter.add(run)
    else this.#nowhere.push(run)
  }

  flush(): void {
    for (const adapter of this.#all) adapter.flush()
    const nowhere = this.#nowhere
    this.#nowhere = []
    for (const { pool, entry, attempt } of nowhere) this.#runs.gone(pool.name, entry.task.task_id, attempt)
  }

  adopt(run: Run): void {
    this.#of(run.pool.descriptor)?.adopt(run)
  }

  /** Of a pool that is not registered any more nobody knows the kind: whoever can still reach it does. */
  cancel(pool: string, taskId: string, reason: string): void {
    const known = this.#find(pool)
    const asked = known ? [this.#of(known)] : this.#all
    for (const adapter of asked) adapter?.cancel(pool, taskId, reason)
  }

  async running(pools: readonly PoolDescriptor[], timeoutMs: number): Promise<Map<string, KnownRuns>> {
    const told = await Promise.all(
      this.#all.map((adapter) =>
        adapter.running(
          pools.filter((pool) => this.#of(pool) === adapter),
          timeoutMs,
        ),
      ),
    )
    return new Map(told.flatMap((found) => [...found]))
  }

  retire(pool: PoolDescriptor): void {
    for (const adapter of this.#all) adapter.retire?.(pool)
  }

  sweep(): void {
    for (const adapter of this.#all) adapter.sweep()
  }

  [Symbol.dispose](): void {
    for (const adapter of this.#all) adapter[Symbol.dispose]()
  }
}
