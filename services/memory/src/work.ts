// One message of RESULTS in hand, and which of its results are still to be stored.
//
// Invariants:
// 1. The message is acknowledged only when all of its results are stored or given up, and the broker says that it knows.
// 2. What is left is written down by compare-and-set, so that of two processes which have the message only one goes on.
// 3. What was written down goes after the acknowledgement, never before.
import type { JsMsg } from '@nats-io/jetstream'
import { type DistributedTaskResult, resultSchema } from '@poolmesh/types'
import type { Left, LeftOver } from './left-over.ts'

/** Times that a server refuses a result, while it takes others, after which it is given up. */
const MAX_REFUSALS = 10
const FIRST_AGAIN_MS = 5_000
const MAX_AGAIN_MS = 600_000

export interface GivenUp {
  task_id: string
  reason: string
}

export class Work {
  readonly #message: JsMsg
  readonly #leftOver: LeftOver
  readonly #results: readonly DistributedTaskResult[]
  readonly #refused = new Map<number, string>()
  /** Refusals of each that is left, by its place. */
  #left: Left
  #revision: number
  #written: string
  #abandoned = false
  /** How many were stored since the message was taken. */
  accepted = 0

  private constructor(
    message: JsMsg,
    leftOver: LeftOver,
    results: readonly DistributedTaskResult[],
    left: Left,
    revision: number,
  ) {
    this.#message = message
    this.#leftOver = leftOver
    this.#results = results
    this.#left = left
    this.#revision = revision
    this.#written = JSON.stringify([...left])
  }

  /** @throws Error when the broker cannot be asked what is left */
  static async open(message: JsMsg, leftOver: LeftOver): Promise<Work> {
    const results = readResults(message)
    // Whoever is first has nothing to ask for.
    const known = message.info.deliveryCount > 1 ? await leftOver.read(message.seq) : null
    const all: Left = new Map(results.map((_, place) => [place, 0]))
    const left = known ? new Map([...known.left].filter(([place]) => all.has(place))) : all
    return new Work(message, leftOver, results, left, known?.revision ?? 0)
  }

  /** Somebody had it before, so that what is left first may be stored already. */
  get wasTried(): boolean {
    return this.#message.info.deliveryCount > 1
  }

  /** What is left and was not refused in this round, in its order; empty when another process has the message. */
  *pending(): Generator<{ place: number; result: DistributedTaskResult }> {
    for (const place of [...this.#left.keys()]) {
      const result = this.#results[place]
      if (result && !this.#abandoned && !this.#refused.has(place)) yield { place, result }
    }
  }

  get isLeft(): boolean {
    return this.#left.size > 0
  }

  get refusals(): number {
    return this.#refused.size
  }

  stored(place: number): void {
    if (this.#left.delete(place)) this.accepted++
  }

  refused(place: number, reason: string): void {
    this.#refused.set(place, reason)
  }

  /** Writes down what is left, where that has changed. A failure leaves the message to whoever gets it next. */
  async write(): Promise<void> {
    const now = JSON.stringify([...this.#left])
    if (this.#abandoned || now === this.#written) return
    try {
      this.#revision = await this.#leftOver.write(this.#message.seq, this.#left, this.#revision)
      this.#written = now
    } catch {
      this.#abandoned = true
    }
  }

  /** Tells the broker that it is still in hand. */
  working(): void {
    if (!this.#abandoned) this.#message.working()
  }

  /**
   * The end of a round: acknowledges, or hands back what is left.
   * @param counts whether refusals count: the server has taken others meanwhile
   * @param againMs when what is left is tried again, where no refusal says otherwise
   * @returns what is not tried any more
   */
  async settle(counts: boolean, againMs: number): Promise<GivenUp[]> {
    if (this.#abandoned) return []
    const givenUp: GivenUp[] = []
    let waitMs = againMs
    if (counts)
      for (const [place, reason] of this.#refused) {
        const refusals = (this.#left.get(place) ?? 0) + 1
        this.#left.set(place, refusals)
        waitMs = Math.max(waitMs, Math.min(MAX_AGAIN_MS, FIRST_AGAIN_MS * 2 ** (refusals - 1)))
        if (refusals < MAX_REFUSALS) continue
        this.#left.delete(place)
        givenUp.push({ task_id: this.#results[place]?.task_id ?? '', reason })
      }
    if (this.#left.size > 0) {
      await this.write()
      if (!this.#abandoned) this.#message.nak(waitMs)
      return givenUp
    }
    const known = await this.#message.ackAck().catch(() => false)
    if (known && this.#revision > 0) await this.#leftOver.forget(this.#message.seq)
    return givenUp
  }
}

/** What is no result is left out: everybody may publish to that subject. */
function readResults(message: JsMsg): DistributedTaskResult[] {
  let body: unknown
  try {
    body = message.json()
  } catch {
    return []
  }
  return (Array.isArray(body) ? body : [body]).flatMap((entry) => {
    const parsed = resultSchema.safeParse(entry)
    return parsed.success ? [parsed.data] : []
  })
}
