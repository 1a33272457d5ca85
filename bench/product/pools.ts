// Pools of the worker package, as its users write them.
import { setTimeout as sleep } from 'node:timers/promises'
import { definePool } from '@poolmesh/worker'
import type { Started } from '../processes/roles.ts'

export interface PoolsOptions {
  names: string[]
  capability: string
  maxWorkers: number
  /** Milliseconds that a task takes at most, at random; 0: the handler does nothing. */
  workMs: number
}

export interface PoolsCommands {
  /** Tasks that were begun, by pool: more than the tasks where some had to be run again. */
  begun(): Promise<Record<string, number>>
}

export async function startProductPools(url: string, options: PoolsOptions): Promise<Started<PoolsCommands>> {
  const begun: Record<string, number> = {}
  const pools = await Promise.all(
    options.names.map((name) => {
      begun[name] = 0
      const busy = async (): Promise<object> => {
        begun[name] = (begun[name] ?? 0) + 1
        await sleep(Math.random() * options.workMs)
        return { ok: true }
      }
      const idle = async (): Promise<object> => ({ ok: true })
      const pool = definePool({
        name,
        capabilities: [options.capability],
        maxWorkers: options.maxWorkers,
        handler: options.workMs > 0 ? busy : idle,
      })
      return pool.start({ servers: url })
    }),
  )
  return {
    commands: { begun: async () => begun },
    // Each hears SIGTERM itself, drains and closes.
    stop: async () => void (await Promise.all(pools.map((pool) => pool.closed))),
  }
}
