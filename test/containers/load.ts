// Tasks that are submitted all the time, by the client package and by a bare request, and a pool of the worker package
// that runs them. What was acknowledged is remembered, and held to promise 1 at the end.
import { setTimeout as sleep } from 'node:timers/promises'
import { silentLogger } from '@poolmesh/bus'
import { createDistributedPoolSystem, type DistributedPoolSystem } from '@poolmesh/client'
import { until } from '@poolmesh/testkit'
import { definePool, type RunningPool } from '@poolmesh/worker'
import { expect } from 'vitest'
import { Stranger, unique } from '../contract/harness.ts'
import { storedResults } from './results.ts'

/** Tasks that each of the two ways keeps in flight. */
const IN_FLIGHT = 10

export class Load implements AsyncDisposable {
  readonly stranger: Stranger
  readonly #system: DistributedPoolSystem
  readonly #pool: RunningPool
  readonly #capability: string
  /** Tasks that somebody was told are stored. */
  readonly #acknowledged = new Set<string>()
  /** Results that a client was given. */
  #told = 0
  #over = false
  #submitters: Promise<unknown> = Promise.resolve()

  private constructor(
    stranger: Stranger,
    system: DistributedPoolSystem,
    pool: RunningPool,
    capability: string,
  ) {
    this.stranger = stranger
    this.#system = system
    this.#pool = pool
    this.#capability = capability
  }

  /** @param servers with commas between */
  static async on(servers: string): Promise<Load> {
    const capability = unique('load')
    const list = servers.split(',')
    const stranger = await Stranger.to(servers)
    const system = await createDistributedPoolSystem({ servers: list })
    const pool = await definePool({
      name: capability,
      capabilities: [capability],
      maxWorkers: 8,
      handler: async (task, { signal }) => {
        await sleep(Number(task.payload['ms']), undefined, { signal })
        return { done: true }
      },
    }).start({ servers: list, handleSignals: false, log: silentLogger() })
    await stranger.fitting({ required_capabilities: [capability] }, [capability])
    const load = new Load(stranger, system, pool, capability)
    load.#submitters = Promise.all(
      Array.from({ length: IN_FLIGHT }, (_, n) => [load.#byClient(n), load.#byRequest(n)]).flat(),
    )
    // Told by `ended`; a test that fails before that has its own reason.
    load.#submitters.catch(() => {})
    return load
  }

  #task(n: number): { task_type: string; payload: { ms: number }; required_capabilities: string[] } {
    return { task_type: 'load', payload: { ms: n * 20 }, required_capabilities: [this.#capability] }
  }

  async #byClient(n: number): Promise<void> {
    while (!this.#over) {
      const handle = this.#system.executor.submit(this.#task(n))
      try {
        await handle.stored
      } catch {
        // Refused before its time was over: nobody was promised anything.
        continue
      }
      this.#acknowledged.add(handle.taskId)
      await handle.result()
      this.#told++
    }
  }

  /** Again with the same id until it is acknowledged: what whoever has no package has to do. */
  async #byRequest(n: number): Promise<void> {
    while (!this.#over) {
      const task_id = unique('bare')
      const text = JSON.stringify({ task_id, ...this.#task(n) })
      while (!(await this.#request('task.submitted', text))?.['stream']) await sleep(100)
      this.#acknowledged.add(task_id)
      while (!('output' in ((await this.#request('task.result', JSON.stringify({ task_id }))) ?? {})))
        await sleep(100)
    }
  }

  async #request(subject: string, text: string): Promise<Record<string, unknown> | null> {
    const reply = await this.stranger.nc.request(subject, text, { timeout: 2_000 }).catch(() => null)
    return reply?.json() ?? null
  }

  /** Waits until that many more results have come to the client: work goes on. */
  async goesOn(results = 50): Promise<void> {
    const goal = this.#told + results
    await until(() => this.#told >= goal, `${results} more results`, 90_000)
  }

  /** Submits no more, waits for what is under way, and holds what is stored to promise 1. @returns how many tasks */
  async ended(): Promise<number> {
    this.#over = true
    await this.#submitters
    const stored = await storedResults(this.stranger.nc)
    const wrong = [...this.#acknowledged].filter((id) => stored.get(id)?.join() !== 'completed')
    expect(wrong.map((id) => [id, stored.get(id)])).toEqual([])
    const doubled = [...stored].filter(([, statuses]) => statuses.length > 1)
    expect(doubled).toEqual([])
    return this.#acknowledged.size
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true
    await this.#pool.stop()
    await this.#system.close()
    await this.stranger.close()
  }
}
