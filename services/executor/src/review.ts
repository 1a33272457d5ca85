// Answers are not stored before the executor has them, so those that were under way when a connection was cut are gone. When
// it is back, pools that can tell what they run are asked, and send their last answers again; what others ran is tried again.
import type { PoolAdapter } from '@poolmesh/adapters'
import type { Logger } from '@poolmesh/bus'
import type { TaskEngine } from '@poolmesh/core'
import type { PoolDescriptor } from '@poolmesh/types'
import type { Held } from './held.ts'

/** Pools have to find the server again too, and may say their answers once more. */
const SETTLE_MS = 4_000
const ASK_MS = 2_000
/** The lease may still be on its way when the connection is back: until we may act again. */
const RETRY_MS = 500

export interface ReviewParts {
  engine: TaskEngine<Held>
  adapter: PoolAdapter
  /** Whether we dispatch. */
  mayAct(): boolean
  /** Our time as the one that dispatches, an object of its own each time; null: we do not. */
  term(): object | null
  log: Logger
}

export class Review implements Disposable {
  readonly #parts: ReviewParts
  readonly #timers = new Set<NodeJS.Timeout>()
  /** Since when answers may be gone that a predecessor's tasks wait for, while they come in. */
  #doubted: number | null = null
  /** Pools that got another process meanwhile, and when. */
  readonly #meanwhile = new Map<string, { pool: PoolDescriptor; at: number }>()

  constructor(parts: ReviewParts) {
    this.#parts = parts
  }

  /** Answers that were under way until now may be gone: with our connection, or with a server of the cluster. */
  doubt(before = Date.now()): void {
    const { engine, term } = this.#parts
    const begun = term()
    if (engine.recovering) this.#doubted = before
    // Whoever begins to dispatch looks for itself at what is running.
    else if (begun !== null) this.#later(SETTLE_MS, before, begun)
  }

  #later(ms: number, before: number, term: object): void {
    this.#after(ms, () => void this.#look(before, term))
  }

  #after(ms: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      work()
    }, ms)
    this.#timers.add(timer)
  }

  /** Another process has the pool's name: what it does not say to run was lost with the one before. */
  replaced(pool: PoolDescriptor): void {
    const at = Date.now()
    if (this.#parts.engine.recovering) this.#meanwhile.set(pool.name, { pool, at })
    else if (this.#parts.mayAct()) void this.#lose(pool, at)
  }

  /** What a predecessor had in flight is in. */
  recovered(): void {
    for (const { pool, at } of this.#meanwhile.values()) void this.#lose(pool, at)
    this.#meanwhile.clear()
    const before = this.#doubted
    this.#doubted = null
    if (before !== null) this.#after(0, () => this.doubt(before))
  }

  /** @param before when the process was replaced: what was begun after it is the new one's */
  async #lose(pool: PoolDescriptor, before: number): Promise<void> {
    const { engine, adapter, mayAct, log } = this.#parts
    if (!engine.table.get(pool.name)?.running) return
    const told =
      adapter.traits(pool).adoption === 'listed'
        ? (await adapter.running([pool], ASK_MS)).get(pool.name)
        : null
    // A pool that does not answer will be noticed by its heartbeats.
    if (told === undefined || !mayAct()) return
    const runs = told && new Set(told.map((run) => `${run.taskId}/${run.attempt}`))
    log.info({ pool_name: pool.name }, 'registered anew, what ran there is lost')
    engine.poolReplaced(pool.name, before, runs)
  }

  async #look(before: number, begun: object): Promise<void> {
    const { engine, adapter, mayAct, term, log } = this.#parts
    if (term() !== begun) return
    if (!mayAct()) return this.#later(RETRY_MS, before, begun)
    const pools = [...engine.table.busy()].map(({ descriptor }) => descriptor)
    const told = await adapter.running(pools, ASK_MS)
    if (term() !== begun || !mayAct()) return this.#later(0, before, begun)
    const runs = new Map(
      [...told].map(([pool, all]) => [pool, new Set(all.map((run) => `${run.taskId}/${run.attempt}`))]),
    )
    const running = engine.running
    // What is asked for by its id, or answers to the adapter itself, does not come over the connection that was cut.
    engine.review(before, runs, ({ descriptor }) => {
      const { adoption, direct } = adapter.traits(descriptor)
      return adoption !== 'none' || direct === true
    })
    const again = running - engine.running
    if (again > 0) log.warn({ tasks: again }, 'answers may be lost with the connection, trying these again')
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearTimeout(timer)
  }
}
