// How many runs each pool has. A run counts from the pool's own `begin` to its `end`; a run that was told to stop has an
// `end` then; with the pool's process all of its runs end. What was sent and not begun does not count, nor what waits
// inside a pool of the worker package. One task that is run twice at a time counts twice.

interface PoolRuns {
  readonly slots: number
  readonly runs: Map<string, number>
  running: number
  peak: number
  begun: number
}

export class Slots {
  readonly #pools = new Map<string, PoolRuns>()
  readonly #tooMany: (pool: string, running: number, slots: number, at: number) => void

  constructor(tooMany: (pool: string, running: number, slots: number, at: number) => void) {
    this.#tooMany = tooMany
  }

  declare(pools: Record<string, number>): void {
    for (const [name, slots] of Object.entries(pools))
      this.#pools.set(name, { slots, runs: new Map(), running: 0, peak: 0, begun: 0 })
  }

  begin(name: string, run: string, at: number): void {
    const pool = this.#pools.get(name)
    if (!pool) return
    pool.runs.set(run, (pool.runs.get(run) ?? 0) + 1)
    pool.running++
    pool.begun++
    if (pool.running > pool.slots) this.#tooMany(name, pool.running, pool.slots, at)
    pool.peak = Math.max(pool.peak, pool.running)
  }

  end(name: string, run: string): void {
    const pool = this.#pools.get(name)
    const count = pool?.runs.get(run)
    if (!pool || !count) return
    if (count === 1) pool.runs.delete(run)
    else pool.runs.set(run, count - 1)
    pool.running--
  }

  gone(name: string): void {
    const pool = this.#pools.get(name)
    if (!pool) return
    pool.runs.clear()
    pool.running = 0
  }

  *summary(): Generator<{ name: string; slots: number; peak: number; begun: number }> {
    for (const [name, { slots, peak, begun }] of this.#pools) yield { name, slots, peak, begun }
  }
}
