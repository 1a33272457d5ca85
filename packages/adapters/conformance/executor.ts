// The part of an executor that an adapter sees: who gives it runs, and hears what became of them.
import { silentLogger } from '@poolmesh/bus'
import type { Answer, Run } from '@poolmesh/core'
import { type PoolDescriptor, parseTask } from '@poolmesh/types'
import { vi } from 'vitest'
import type { PoolAdapter, RunEvents } from '../src/adapter.ts'
import type { Script, Subject } from './subject.ts'

/** For what a pool or an adapter does in its own time: polls with growing pauses, Jobs that are started. */
export const WAITING = { timeout: 30_000, interval: 10 }

export type Told =
  | { kind: 'answer'; attempt: number | null; answer: Answer }
  | { kind: 'gone' | 'lost'; attempt: number }

let made = 0
/** Names of tasks: no two checks share one. */
const newId = (): string => `conformance-${process.pid}-${made++}`

/** @param more of the payload, beside the script */
export function runOf(
  pool: PoolDescriptor,
  script: Script,
  {
    taskId = newId(),
    attempt = 1,
    ...more
  }: { taskId?: string; attempt?: number; [key: string]: unknown } = {},
): Run {
  const parsed = parseTask({
    task_id: taskId,
    task_type: 'conformance',
    payload: { script, output: { from: taskId }, ...more },
  })
  if (!parsed.ok) throw parsed.error
  const { task } = parsed
  const startedAt = Date.now()
  const run: Pick<Run, 'attempt' | 'startedAt' | 'deadline' | 'abandoned'> = {
    attempt,
    startedAt,
    deadline: startedAt + task.timeout * 1000,
    abandoned: false,
  }
  // Of the engine's records an adapter reads the task and where it goes.
  return {
    kind: 'run',
    ...run,
    entry: { task },
    pool: { name: pool.name, descriptor: pool },
  } as unknown as Run
}

export const idOf = (run: Run): string => run.entry.task.task_id

/** The same run as another process knows it. */
export const again = (run: Run): Run => structuredClone(run)

export class Executor implements Disposable {
  readonly adapter: PoolAdapter
  readonly #told = new Map<string, Told[]>()

  private constructor(adapter: PoolAdapter) {
    this.adapter = adapter
  }

  /** It dispatches. */
  static async start(subject: Subject): Promise<Executor> {
    const told = (pool: string, taskId: string, what: Told): void => {
      const known = executor.#told.get(taskId)
      if (known) known.push(what)
      else executor.#told.set(taskId, [what])
      // As the engine does with a run that is lost.
      if (what.kind === 'lost') executor.adapter.cancel(pool, taskId, 'POOL_LOST')
    }
    const runs: RunEvents = {
      answer: (pool, taskId, attempt, answer) => told(pool, taskId, { kind: 'answer', attempt, answer }),
      gone: (pool, taskId, attempt) => told(pool, taskId, { kind: 'gone', attempt }),
      lost: (pool, taskId, attempt) => told(pool, taskId, { kind: 'lost', attempt }),
    }
    const executor: Executor = new Executor(await subject.adapter(runs, silentLogger()))
    await executor.adapter.act()
    return executor
  }

  send(...runs: Run[]): void {
    for (const run of runs) this.adapter.add(run)
    this.adapter.flush()
  }

  told(run: Run): readonly Told[] {
    return this.#told.get(idOf(run)) ?? []
  }

  async first(run: Run): Promise<Told> {
    return await vi.waitUntil(() => this.told(run)[0], WAITING)
  }

  /** When whatever was on its way has had as long as a whole run takes. */
  async settle(pool: PoolDescriptor): Promise<void> {
    const run = runOf(pool, 'complete')
    this.send(run)
    await this.first(run)
  }

  [Symbol.dispose](): void {
    this.adapter[Symbol.dispose]()
  }
}
