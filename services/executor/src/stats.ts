import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { createInbox, type NatsConnection, type Subscription } from '@nats-io/transport-node'
import { laneConsumers } from '@poolmesh/bus'
import { addHistograms, type TaskEngine } from '@poolmesh/core'
import { type ExecutorStatsReply, INTERNAL, STREAMS } from '@poolmesh/types'
import type { Held } from './held.ts'
import { addWaiting, waitingCounts } from './waiting-counts.ts'

/** How long other executors have to say what they have done. */
const ASK_MS = 150

/** What one executor has done since it started; `executor.stats` is the sum over all. */
type Part = ExecutorStatsReply & {
  executor: string
  late_answers: number
  refusals: number
  parked: number
  retrieved: number
}

export class ExecutorStats implements Disposable {
  readonly #nc: NatsConnection
  readonly #jsm: JetStreamManager
  readonly #id: string
  readonly #engine: TaskEngine<Held>
  readonly #subscription: Subscription

  private constructor(nc: NatsConnection, jsm: JetStreamManager, id: string, engine: TaskEngine<Held>) {
    this.#nc = nc
    this.#jsm = jsm
    this.#id = id
    this.#engine = engine
    this.#subscription = nc.subscribe(INTERNAL.askStats, {
      callback: (error, message) => {
        if (!error) message.respond(JSON.stringify(this.own()))
      },
    })
  }

  static async open(nc: NatsConnection, id: string, engine: TaskEngine<Held>): Promise<ExecutorStats> {
    return new ExecutorStats(nc, await jetstreamManager(nc), id, engine)
  }

  own(): Part {
    const { counters, running, waiting } = this.#engine
    const byStatus = counters.byStatus
    return {
      executor: this.#id,
      active_tasks: running + waiting.size,
      completed_tasks: byStatus.completed + byStatus.failed + byStatus.timeout + byStatus.cancelled,
      task_status_breakdown: { pending: waiting.size, running, ...byStatus },
      queue_time: counters.queueTime.report(),
      run_time: counters.runTime.report(),
      waiting: waitingCounts(this.#engine),
      late_answers: counters.lateAnswers,
      refusals: counters.refusals,
      parked: counters.parked,
      retrieved: counters.retrieved,
    }
  }

  /** The sum over all executors, and what no executor has taken yet as pending. */
  async overAll(): Promise<ExecutorStatsReply> {
    const parts = [this.own(), ...(await this.#others())]
    const untaken = await this.#untaken()
    const breakdown: Record<string, number> = {}
    for (const part of parts)
      for (const [status, count] of Object.entries(part.task_status_breakdown))
        breakdown[status] = (breakdown[status] ?? 0) + count
    breakdown['pending'] = (breakdown['pending'] ?? 0) + untaken
    const sum = (
      key: 'active_tasks' | 'completed_tasks' | 'late_answers' | 'refusals' | 'parked' | 'retrieved',
    ): number => parts.reduce((total, part) => total + part[key], 0)
    return {
      active_tasks: sum('active_tasks') + untaken,
      completed_tasks: sum('completed_tasks'),
      task_status_breakdown: breakdown,
      queue_time: addHistograms(parts.map((part) => part.queue_time)),
      run_time: addHistograms(parts.map((part) => part.run_time)),
      // One of an earlier version does not tell it.
      waiting: addWaiting(parts.map((part) => part.waiting ?? [])),
      executors: parts.length,
      late_answers: sum('late_answers'),
      refusals: sum('refusals'),
      parked: sum('parked'),
      retrieved: sum('retrieved'),
    }
  }

  /** Messages that the executor which dispatches does not hold; a batch counts as one, since nobody has opened it. */
  async #untaken(): Promise<number> {
    const [stream, lanes] = await Promise.all([
      this.#jsm.streams.info(STREAMS.tasks),
      laneConsumers(this.#jsm),
    ])
    const held = lanes.reduce((sum, { open }) => sum + open, 0)
    return Math.max(0, stream.state.messages - held)
  }

  async #others(): Promise<Part[]> {
    const others: Part[] = []
    const inbox = createInbox()
    const subscription = this.#nc.subscribe(inbox, {
      callback: (error, message) => {
        if (error || message.data.length === 0) return
        const part = message.json<Part>()
        if (part.executor !== this.#id) others.push(part)
      },
    })
    this.#nc.publish(INTERNAL.askStats, '', { reply: inbox })
    await new Promise((resolve) => setTimeout(resolve, ASK_MS))
    subscription.unsubscribe()
    return others
  }

  [Symbol.dispose](): void {
    this.#subscription.unsubscribe()
  }
}
