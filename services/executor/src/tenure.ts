// The time during which this executor is the one that dispatches: it has the lanes' consumers, finds out what its
// predecessor had begun, and only then sends anything.
import { setTimeout as pause } from 'node:timers/promises'
import { nuid } from '@nats-io/transport-node'
import type { PoolAdapter } from '@poolmesh/adapters'
import { type TaskMessage, takeOverLanes } from '@poolmesh/bus'
import type { TaskEngine } from '@poolmesh/core'
import type { PriorityLane } from '@poolmesh/types'
import type { Logger } from 'pino'
import type { Held } from './held.ts'
import type { ParkedTasks } from './parked.ts'
import type { RunLog } from './run-log.ts'
import { TakeUp, type TakeUpOptions } from './take-up.ts'

/** Pools that live answer within a round trip; one that is paused is not waited for. */
const POOLS_MS = 1_000
/** What a predecessor held comes at once; should some of it not, the rest does not wait. */
const RECOVER_MS = 3_000
/** A stream whose leader has died is without one for 4 to 9 s. */
const INSIST_MS = 20_000
const AGAIN_MS = 250

export interface TenureParts extends Omit<TakeUpOptions, 'lanes'> {
  adapter: PoolAdapter
  parked: ParkedTasks
  runLog: RunLog
  log: Logger
  /** Whether the tasks are still ours to take over. */
  wanted(): boolean
}

export class Tenure implements AsyncDisposable {
  readonly #engine: TaskEngine<Held>
  readonly #parts: TenureParts
  #takeUp: TakeUp | null = null
  #timer: NodeJS.Timeout | undefined

  private constructor(parts: TenureParts) {
    this.#parts = parts
    this.#engine = parts.engine
  }

  /** Resolves when tasks come in; nothing is dispatched before all that was in flight has. */
  static async begin(nc: ConstructorParameters<typeof TakeUp>[0], parts: TenureParts): Promise<Tenure> {
    const tenure = new Tenure(parts)
    const { engine, adapter, runLog, parked, wanted, log } = parts
    try {
      engine.recover()
      await adapter.act()
      const steps = [
        takeOverLanes(nc, parts.publisher, nuid.next().slice(-12), wanted),
        insist(wanted, () =>
          runLog.recall(engine, (name) => {
            const pool = engine.table.get(name)
            return pool !== undefined && adapter.traits(pool.descriptor).adoption === 'by_id'
          }),
        ),
        insist(wanted, () =>
          parked.recall((task) => {
            const signature = engine.waiting.signature(task.required_capabilities, task.pool ?? null)
            engine.parking.known(signature.key, signature.requirements)
            engine.waiting.release(signature)
          }),
        ),
      ] as const
      // None goes on behind the back of the next try.
      await Promise.allSettled(steps)
      const [lanes] = await Promise.all(steps)
      // Last, since in a cluster that has just lost a server the above may take many seconds, in which pools come and go.
      const pools = [...engine.table.values()].map(({ descriptor }) => descriptor)
      for (const [pool, runs] of await adapter.running(pools, POOLS_MS))
        for (const { taskId, attempt, startedAt } of runs)
          engine.adoption.run(taskId, { pool, attempt, startedAt, certain: true })
      const open = lanes.reduce((sum, lane) => sum + lane.openBefore, 0)
      const recovered = (): void => {
        clearTimeout(tenure.#timer)
        engine.recovered()
        runLog.recovered()
        parts.onRecovered()
      }
      tenure.#timer = setTimeout(recovered, RECOVER_MS)
      tenure.#takeUp = new TakeUp(nc, { ...parts, lanes, onRecovered: recovered })
      log.info(
        { in_flight: Number.isSafeInteger(open) ? open : 'not known', pools: pools.length },
        'dispatching',
      )
      return tenure
    } catch (error) {
      await tenure[Symbol.asyncDispose]()
      throw error
    }
  }

  nudge(): void {
    this.#takeUp?.nudge()
  }

  /** See TakeUp. */
  takeDirectly(message: TaskMessage, id: string, lane: PriorityLane): boolean {
    return this.#takeUp?.takeDirectly(message, id, lane) ?? false
  }

  reset(): void {
    this.#takeUp?.reset()
  }

  /** Takes nothing more; what is held goes on. */
  async stopTaking(): Promise<void> {
    await this.#takeUp?.stop()
  }

  /** Lets go of everything, for the next to find: nobody is told to stop. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer)
    this.#takeUp?.[Symbol.dispose]()
    this.#takeUp = null
    this.#engine.letGo()
    this.#parts.runLog.reset()
    this.#parts.adapter.standBy()
  }
}

/** Does it again where it fails, for as long as a stream may be without a leader. */
async function insist(wanted: () => boolean, step: () => Promise<void>): Promise<void> {
  const end = performance.now() + INSIST_MS
  for (;;)
    try {
      return await step()
    } catch (error) {
      if (!wanted() || performance.now() > end) throw error
      await pause(AGAIN_MS)
    }
}
