// Whether Jobs that there were already are started once more. A Job goes on without the executor that made it, so whoever
// dispatches next has to find it: one that runs, or has completed, makes a second one of its task wrong. One that has failed, or was
// told to stop, makes room for the next run.

export class Jobs {
  readonly #pools = new Set<string>()
  readonly #running = new Set<string>()
  readonly #states = new Map<string, 'running' | 'done' | 'over'>()
  readonly #runs = new Set<string>()
  /** That ran when the executor that dispatches was hit, and have not ended. */
  readonly #left = new Set<string>()
  /** Jobs whose executor was hit while they ran, and how many of them ended well. */
  readonly survivors = { all: 0, done: 0 }
  readonly #again: (what: string, at: number) => void

  constructor(again: (what: string, at: number) => void) {
    this.#again = again
  }

  /** Pools whose runs are Jobs. */
  declare(pools: readonly string[]): void {
    for (const pool of pools) this.#pools.add(pool)
  }

  begin(pool: string, id: string, attempt: number, at: number): void {
    if (!this.#pools.has(pool)) return
    const [task, run] = [`${pool}/${id}`, `${pool}/${id}/${attempt}`]
    const before = this.#states.get(task)
    if (before === 'running' || before === 'done')
      this.#again(`${id} began in ${pool} once more (run ${attempt}), and its Job was ${before}`, at)
    else if (this.#runs.has(run)) this.#again(`run ${attempt} of ${id} began twice in ${pool}`, at)
    this.#runs.add(run)
    this.#states.set(task, 'running')
    this.#running.add(task)
  }

  end(pool: string, id: string, how: 'done' | 'failed' | 'stopped'): void {
    if (!this.#pools.has(pool)) return
    const task = `${pool}/${id}`
    this.#states.set(task, how === 'done' ? 'done' : 'over')
    this.#running.delete(task)
    if (this.#left.delete(task) && how === 'done') this.survivors.done++
  }

  /** The executor that dispatches is killed, paused or stopped. */
  executorHit(): void {
    for (const task of this.#running) {
      if (this.#left.has(task)) continue
      this.#left.add(task)
      this.survivors.all++
    }
  }
}
