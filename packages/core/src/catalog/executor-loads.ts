// What the executors say that they run on each pool.

/** Executors repeat what they run once a second; what was not repeated for so long is over, or its executor is. */
const VALID_MS = 3_000
/** More executors than anybody runs; a bound for what a stranger on the bus can make us keep. */
const MAX_EXECUTORS = 1_000

interface Running {
  tasks: number
  at: number
}

export class ExecutorLoads {
  readonly #executors = new Map<string, Map<string, Running>>()

  /** @param loads tasks that run, by pool: those that changed, or all. @param now milliseconds of a monotonic clock */
  report(executor: string, loads: Iterable<readonly [pool: string, tasks: number]>, now: number): void {
    let pools = this.#executors.get(executor)
    if (pools === undefined) {
      if (this.#executors.size >= MAX_EXECUTORS) return
      pools = new Map()
      this.#executors.set(executor, pools)
    }
    for (const [pool, tasks] of loads)
      if (tasks > 0) pools.set(pool, { tasks, at: now })
      else pools.delete(pool)
  }

  /** Tasks of all executors that run on the pool. */
  running(pool: string, now: number): number {
    let tasks = 0
    for (const pools of this.#executors.values()) {
      const running = pools.get(pool)
      if (running !== undefined && now - running.at <= VALID_MS) tasks += running.tasks
    }
    return tasks
  }

  /** Drops what is over; to be called every few seconds. */
  prune(now: number): void {
    for (const [executor, pools] of this.#executors) {
      for (const [pool, running] of pools) if (now - running.at > VALID_MS) pools.delete(pool)
      if (pools.size === 0) this.#executors.delete(executor)
    }
  }
}
