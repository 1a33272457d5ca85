// Mirrors services/executor/src/review.ts: after a reconnect, and when a pool's name has another process.
import type { PoolDescriptor } from '@poolmesh/types'
import type { Adapter } from './adapter.ts'
import { type Flow, run } from './flow.ts'
import { isPlain, keyOf, type SaidRunning, type Wiring } from './wiring.ts'

const SETTLE_MS = 4_000
const ASK_MS = 2_000

const keysOf = (runs: SaidRunning['runs']): Set<string> =>
  new Set(runs.map(({ taskId, attempt }) => keyOf(taskId, attempt)))

export class Review {
  readonly #wiring: Wiring
  readonly #adapter: Adapter
  readonly #meanwhile = new Map<string, { pool: PoolDescriptor; at: number }>()

  constructor(wiring: Wiring, adapter: Adapter) {
    this.#wiring = wiring
    this.#adapter = adapter
  }

  reconnected(): void {
    const before = this.#wiring.process.wall()
    this.#wiring.process.after(SETTLE_MS, () => run(this.#look(before)))
  }

  replaced(pool: PoolDescriptor): void {
    const { engine, mayAct, process } = this.#wiring
    const at = process.wall()
    if (engine().recovering) this.#meanwhile.set(pool.name, { pool, at })
    else if (mayAct()) run(this.#lose(pool, at))
  }

  recovered(): void {
    for (const { pool, at } of this.#meanwhile.values()) run(this.#lose(pool, at))
    this.#meanwhile.clear()
  }

  *#lose(pool: PoolDescriptor, before: number): Flow<void> {
    const { engine, mayAct } = this.#wiring
    if (!engine().table.get(pool.name)?.running) return
    const told = isPlain(pool) ? null : (yield* this.#adapter.running([pool], ASK_MS)).get(pool.name)
    if (told === undefined || !mayAct()) return
    engine().poolReplaced(pool.name, before, told && keysOf(told))
  }

  *#look(before: number): Flow<void> {
    const { engine, mayAct } = this.#wiring
    if (!mayAct()) return
    const pools = [...engine().table.busy()].map(({ descriptor }) => descriptor)
    const told = yield* this.#adapter.running(pools, ASK_MS)
    if (!mayAct()) return
    const runs = new Map([...told].map(([pool, all]) => [pool, keysOf(all)]))
    engine().review(before, runs, ({ descriptor }) => !isPlain(descriptor))
  }
}
