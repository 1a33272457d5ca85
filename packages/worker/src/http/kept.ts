// What an HTTP pool remembers of its runs, so that who asks again hears the same: what goes on, and the last that ended.
import type { TaskStatus } from '@poolmesh/types'

export interface KeptLimits {
  /** Of a result after the run. */
  ms: number
  /** Of all results together. */
  count: number
  bytes: number
}

export class Kept {
  readonly taskId: string
  readonly attempt: number
  /** Resolves when it has ended. */
  readonly ended: Promise<void>
  /** The DistributedTaskResult as JSON; null while it runs. */
  result: string | null = null
  /** The last that its handler told of itself. */
  progress: { fraction: number; message: string | null } | null = null
  /** Whether somebody got the result. */
  isRead = false
  endedAt = 0
  readonly #end: () => void

  constructor(taskId: string, attempt: number) {
    this.taskId = taskId
    this.attempt = attempt
    const { promise, resolve } = Promise.withResolvers<void>()
    this.ended = promise
    this.#end = resolve
  }

  end(result: string, now: number): void {
    this.result = result
    this.endedAt = now
    this.#end()
  }

  /** @param pool the name */
  asJson(pool: string): string {
    if (this.result !== null) return this.result
    const { taskId: task_id, attempt, progress } = this
    const status: TaskStatus = 'running'
    return JSON.stringify({ task_id, pool_name: pool, status, attempt, ...(progress ? { progress } : {}) })
  }
}

/** One run of each task, the one with the highest number. */
export class KeptRuns {
  readonly #limits: KeptLimits
  readonly #byTask = new Map<string, Kept>()
  /** Those that have ended, the first of them first. */
  readonly #ended = new Set<Kept>()
  #bytes = 0

  constructor(limits: KeptLimits) {
    this.#limits = limits
  }

  get(taskId: string): Kept | undefined {
    this.#forgetOld(performance.now())
    return this.#byTask.get(taskId)
  }

  begin(taskId: string, attempt: number): Kept {
    const before = this.#byTask.get(taskId)
    if (before) this.#forget(before)
    const kept = new Kept(taskId, attempt)
    this.#byTask.set(taskId, kept)
    return kept
  }

  end(kept: Kept, result: string): void {
    if (kept.result !== null) return
    const now = performance.now()
    kept.end(result, now)
    if (this.#byTask.get(kept.taskId) !== kept) return
    this.#ended.add(kept)
    this.#bytes += result.length
    this.#forgetOld(now)
  }

  /** Whether there are results of the last time that nobody has got. */
  hasUnread(lastMs: number): boolean {
    const since = performance.now() - lastMs
    return [...this.#ended].some(({ isRead, endedAt }) => !isRead && endedAt >= since)
  }

  #forgetOld(now: number): void {
    const { ms, count, bytes } = this.#limits
    for (const kept of this.#ended) {
      const fits = this.#ended.size <= count && (this.#bytes <= bytes || this.#ended.size === 1)
      if (fits && now - kept.endedAt <= ms) return
      this.#forget(kept)
    }
  }

  #forget(kept: Kept): void {
    this.#byTask.delete(kept.taskId)
    if (this.#ended.delete(kept)) this.#bytes -= kept.result?.length ?? 0
  }
}
