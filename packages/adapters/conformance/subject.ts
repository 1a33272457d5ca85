import type { Logger } from '@poolmesh/bus'
import type { PoolDescriptor } from '@poolmesh/types'
import type { PoolAdapter, RunEvents, Traits } from '../src/adapter.ts'

/**
 * What a pool has to do with a task, in the task's `payload.script`:
 *
 * - `complete`: it completes with `payload.output`.
 * - `fail`: it fails, and says `payload.error`.
 * - `hold`: it has begun, and goes on until it is released (and completes with `payload.output`), told to stop, or killed.
 * - `nonsense`: it answers with something that is no result.
 */
export type Script = 'complete' | 'fail' | 'hold' | 'nonsense'

/** A pool that does what its tasks' scripts say, with at least four workers. */
export interface ScriptedPool extends AsyncDisposable {
  readonly descriptor: PoolDescriptor
  /** How often a run of that task has been begun there. */
  begun(taskId: string): number | Promise<number>
  /** Whether it was told to stop that task. */
  stopped(taskId: string): boolean | Promise<boolean>
  /** Lets a task that is held complete. */
  release(taskId: string): void | Promise<void>
  /** From now on it takes no task, and goes on with those that it has. */
  takeNoMore(): void | Promise<void>
  /** Ends as when its machine goes: nothing runs, nobody listens, nothing is known of what was. */
  kill(): Promise<void>
}

/** What a kind of pools may be unable to do although its traits do not say so. */
export type Ability = 'runs_once' | 'nonsense' | 'refusal' | 'gone' | 'lost' | 'adoption'

export interface Subject {
  /** The heading of its table: the adapter, and what it was run against. */
  readonly name: string
  /** What the adapter declares of such a pool. Only what that promises is checked. */
  readonly traits: Traits
  /** A new adapter, as an executor on a machine of its own would have it. */
  adapter(runs: RunEvents, log: Logger): PoolAdapter | Promise<PoolAdapter>
  /** A new pool, which nobody else uses. */
  pool(): Promise<ScriptedPool>
  /** Checks that are left out, each with the reason that is printed. */
  readonly cannot?: Partial<Record<Ability, string>>
  /** What becomes of an output on the way, where pools of that kind wrap it. */
  outputOf?(output: Record<string, unknown>): unknown
}
