// Executors as processes of their own, so that the one that dispatches can be killed.
import { type RunningProcess, run, until } from '@poolmesh/testkit'
import type { Stranger } from './harness.ts'

export class Executors implements AsyncDisposable {
  readonly #stranger: Stranger
  readonly #env: Record<string, string>
  readonly #running = new Map<string, RunningProcess>()

  constructor(stranger: Stranger, env: Record<string, string> = {}) {
    this.#stranger = stranger
    this.#env = env
  }

  async start(): Promise<void> {
    const process = run('service.ts', ['executor'], { NATS_URL: this.#stranger.url, ...this.#env })
    await process.line(/"msg":"ready"/)
    const { executor } = JSON.parse(await process.line(/"executor":/)) as { executor: string }
    this.#running.set(executor, process)
  }

  /** One more, which knows what the one that dispatches runs. */
  async standBy(): Promise<void> {
    const told = await this.#stranger.listen<{ following: string | null }>('poolmesh.standby')
    await this.start()
    const id = await this.dispatcher()
    await until(() => told.some(({ following }) => following === id))
  }

  /** @returns the id of the one that dispatches, once there is one */
  async dispatcher(): Promise<string> {
    return await until(async () => {
      const message = await this.#stranger.jsm.direct.getMessage('KV_EXECUTORS', {
        last_by_subj: '$KV.EXECUTORS.dispatcher',
      })
      const id = message?.json<{ holder: string | null }>().holder
      return id && this.#running.has(id) ? id : null
    }, 'an executor to dispatch')
  }

  async killDispatcher(): Promise<void> {
    const id = await this.dispatcher()
    const process = this.#running.get(id)
    this.#running.delete(id)
    process?.child.kill('SIGKILL')
    await process?.ended
  }

  /** What they have logged. */
  logs(): string {
    return [...this.#running.values()].map((process) => process.stdout()).join('')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const process of this.#running.values()) await process[Symbol.asyncDispose]()
  }
}
