// After this process stood still or was cut off, what it runs may long run elsewhere: the executor says which runs nobody
// waits for, and those are told to stop.
import type { NatsConnection } from '@nats-io/transport-node'
import { INTERNAL, isJsonObject } from '@poolmesh/types'
import type { Runner } from './runner.ts'

const ASK_MS = 2_000
const TRIES = 3

export class Wanted {
  readonly #nc: NatsConnection
  readonly #pool: string
  readonly #runner: Runner

  constructor(nc: NatsConnection, pool: string, runner: Runner) {
    this.#nc = nc
    this.#pool = pool
    this.#runner = runner
  }

  /** Never rejects. Where no executor answers, everything goes on: whoever takes over asks by itself. */
  async check(): Promise<void> {
    for (let tries = 0; tries < TRIES; tries++) {
      const runs = [...this.#runner.unanswered()].map(({ task_id, attempt }) => ({ task_id, attempt }))
      if (runs.length === 0) return
      const unwanted = await this.#ask(runs)
      if (!unwanted) continue
      for (const run of unwanted)
        if (isJsonObject(run) && typeof run['task_id'] === 'string' && typeof run['attempt'] === 'number')
          this.#runner.unwanted(run['task_id'], run['attempt'])
      return
    }
  }

  async #ask(runs: { task_id: string; attempt: number }[]): Promise<unknown[] | null> {
    try {
      const request = JSON.stringify({ pool: this.#pool, runs })
      const body: unknown = (await this.#nc.request(INTERNAL.askWanted, request, { timeout: ASK_MS })).json()
      return isJsonObject(body) && Array.isArray(body['unwanted']) ? body['unwanted'] : null
    } catch {
      return null
    }
  }
}
