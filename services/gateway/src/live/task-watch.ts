// Follows single tasks for those who look at them: each is asked about twice a second, however many look, until it ends.
import type { DistributedTaskExecutor } from '@poolmesh/client'
import { isTerminal, PoolmeshError, type TaskStatusReply } from '@poolmesh/types'
import type { Hub } from './hub.ts'

const TICK_MS = 500
const ASKED_AT_ONCE = 16
/** Tasks that are followed at the same time; those beyond are told once, when somebody begins to look. */
const MAX_WATCHED = 1_000

export class TaskWatch implements Disposable {
  readonly #hub: Hub
  readonly #executor: DistributedTaskExecutor
  readonly #timer: NodeJS.Timeout
  /** What was last told of each, as JSON. */
  readonly #watched = new Map<string, string>()
  #asking = false

  constructor(hub: Hub, executor: DistributedTaskExecutor) {
    this.#hub = hub
    this.#executor = executor
    this.#timer = setInterval(() => void this.#tick(), TICK_MS)
  }

  watch(taskId: string, listening: boolean): void {
    if (!listening) this.#watched.delete(taskId)
    else if (this.#watched.size < MAX_WATCHED) this.#watched.set(taskId, '')
  }

  async #tick(): Promise<void> {
    if (this.#asking || this.#watched.size === 0) return
    this.#asking = true
    const left = [...this.#watched.keys()]
    const ask = async (): Promise<void> => {
      for (let id = left.pop(); id !== undefined; id = left.pop()) await this.#ask(id)
    }
    await Promise.all(Array.from({ length: ASKED_AT_ONCE }, ask))
    this.#asking = false
  }

  async #ask(taskId: string): Promise<void> {
    const state = await stateOf(this.#executor, taskId).catch(() => null)
    const last = this.#watched.get(taskId)
    if (state === null || last === undefined) return
    const printed = JSON.stringify(state)
    if (printed === last) return
    this.#watched.set(taskId, printed)
    this.#hub.publish(`task:${taskId}`, state, false)
    if (isTerminal(state.status)) this.#watched.delete(taskId)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#watched.clear()
  }
}

/** Where a task is; null: nobody knows it (yet). @throws PoolmeshError where nobody can be asked */
export async function stateOf(
  executor: DistributedTaskExecutor,
  taskId: string,
): Promise<TaskStatusReply | null> {
  try {
    return await executor.getTaskStatus(taskId)
  } catch (error) {
    if (error instanceof PoolmeshError && error.code === 'NOT_FOUND') return null
    throw error
  }
}
