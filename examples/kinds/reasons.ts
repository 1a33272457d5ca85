// Asks `task.explain` while the tasks run where one more of each would go, and keeps the most telling answer for each pool.
import { setTimeout as sleep } from 'node:timers/promises'
import type { DistributedTaskExecutor } from '@poolmesh/client'
import type { ExplainReply } from '@poolmesh/types'
import { WISHES, type Wish } from './tasks.ts'

const PAUSE_MS = 10

interface Told {
  wish: Wish
  reply: ExplainReply
}

export class Reasons implements AsyncDisposable {
  readonly #executor: DistributedTaskExecutor
  readonly #told = new Map<string, Told>()
  readonly #asking: Promise<void>
  #over = false

  constructor(executor: DistributedTaskExecutor) {
    this.#executor = executor
    this.#asking = this.#ask()
  }

  async #ask(): Promise<void> {
    while (!this.#over) {
      await Promise.all(WISHES.map((wish) => this.#askFor(wish)))
      await sleep(PAUSE_MS)
    }
  }

  async #askFor(wish: Wish): Promise<void> {
    // Where no executor answers in time there is nothing to keep.
    const reply = await this.#executor.explainTask(wish.task).catch(() => null)
    const chosen = reply?.chosen
    if (!reply || !chosen) return
    const before = this.#told.get(chosen)
    if (!before || full(reply).length > full(before.reply).length) this.#told.set(chosen, { wish, reply })
  }

  /** One line for people; of a pool that was never the next while we asked, nothing. */
  of(pool: string): string {
    const told = this.#told.get(pool)
    if (!told) return '-'
    const { wish, reply } = told
    const reason = reply.candidates.find((candidate) => candidate.pool === pool)?.reason
    const others = full(reply)
    return `${wish.what}: ${reason}${others.length > 0 ? `; no free slot in ${others.join(', ')}` : ''}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true
    await this.#asking
  }
}

const full = ({ candidates }: ExplainReply): string[] =>
  candidates.filter(({ verdict }) => verdict === 'full').map(({ pool }) => pool)
