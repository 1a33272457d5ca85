// Mirrors packages/adapters/src/nats.ts: runs to pools and their answers, heard by whoever dispatches.
import type { Run } from '@poolmesh/core'
import type { PoolDescriptor } from '@poolmesh/types'
import { type Flow, together, until } from './flow.ts'
import type { Reply } from './network.ts'
import { isPlain, type PoolAnswerMessage, type SaidRunning, type Wiring, type Work } from './wiring.ts'

const KEPT_MS = 15_000
const RECONNECT_MS = 500

export class Adapter {
  readonly #wiring: Wiring
  readonly #queued = new Map<string, Run[]>()
  #recent: { at: number; answers: PoolAnswerMessage[] }[] = []
  #stops: (() => void)[] = []
  #acting = false

  constructor(wiring: Wiring) {
    this.#wiring = wiring
    this.standBy()
  }

  #listen(topics: string[], hear: (answers: PoolAnswerMessage[]) => void): void {
    const old = this.#stops
    this.#stops = topics.map((topic) => this.#wiring.connection.subscribe(topic, hear))
    for (const stop of old) stop()
  }

  *act(): Flow<void> {
    this.#listen(['answer.one', 'answer.many'], (answers) => this.#hear(answers))
    yield* until<void>((resume) => this.#wiring.connection.flush(resume))
    const old = this.#wiring.process.monotonic() - KEPT_MS
    this.#acting = true
    for (const { at, answers } of this.#recent.splice(0)) if (at > old) this.#hear(answers)
  }

  standBy(): void {
    this.#acting = false
    this.#queued.clear()
    this.#listen(['answer.one'], (answers) =>
      this.#recent.push({ at: this.#wiring.process.monotonic(), answers }),
    )
  }

  #hear(answers: PoolAnswerMessage[]): void {
    const engine = this.#wiring.engine()
    for (const { pool, taskId, attempt, status, refused } of answers) {
      const number = this.#wiring.variant.ignoresAttempt ? null : attempt
      const answer = {
        status,
        output: { attempt },
        metadata: refused ? { reason: 'POOL_REFUSED' } : { sim_attempt: attempt },
      }
      engine.answer(pool, taskId, number, { kind: 'answer', answer })
    }
    engine.flush()
  }

  add(run: Run): void {
    const runs = this.#queued.get(run.pool.name)
    if (runs) runs.push(run)
    else this.#queued.set(run.pool.name, [run])
  }

  flush(): void {
    const { connection, engine } = this.#wiring
    const sentAt = connection.broker.now
    for (const [pool, runs] of this.#queued) {
      const together = runs[0] && !isPlain(runs[0].pool.descriptor)
      for (const group of together ? [runs] : runs.map((run) => [run])) {
        const work = group.map(({ entry, attempt }): Work => ({ task: entry.task, attempt, sentAt }))
        connection.publish(`work.${pool}`, work, () => {
          if (!this.#acting) return
          for (const { entry, attempt } of group) engine().gone(pool, entry.task.task_id, attempt)
          engine().flush()
        })
      }
    }
    this.#queued.clear()
  }

  cancel(pool: string, taskId: string): void {
    this.#wiring.connection.publish(`cancel.${pool}`, taskId)
  }

  /** Asks the pools that can tell. */
  *running(pools: readonly PoolDescriptor[], ms: number): Flow<Map<string, SaidRunning['runs']>> {
    const found = new Map<string, SaidRunning['runs']>()
    const asked = pools.filter((pool) => !isPlain(pool))
    const { connection, process } = this.#wiring
    if (asked.length === 0) return found
    yield* together(
      ...asked.map(function* ({ name }): Flow<void> {
        const ask = (): Flow<Reply<SaidRunning>> =>
          until((resume) => connection.request(`running.${name}`, null, ms, resume))
        let reply = yield* ask()
        if (reply.kind === 'nobody') {
          yield* until<void>((resume) => process.after(RECONNECT_MS, () => resume()))
          reply = yield* ask()
        }
        if (reply.kind === 'reply') found.set(name, reply.value.runs)
      }),
    )
    return found
  }
}
