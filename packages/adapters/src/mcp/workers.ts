// Workers of servers that want to be told which one is to run a task: made when none is free, used again, and closed when
// they have been idle for a while, where the server has a tool for it.
import { isJsonObject } from '@poolmesh/types'
import type { Connection } from './connection.ts'
import { McpFault } from './fault.ts'
import type { Mapping } from './mapping.ts'
import type { CallOptions } from './session.ts'

/** Shorter than a session is kept when it is idle. */
const IDLE_MS = 30_000
const CLOSE_MS = 5_000

interface Idle {
  ids: string[]
  since: number
  /** The server's tool that closes one. */
  closer: string
}

/** A server would not make a worker: nothing was begun. */
export class NoWorker extends Error {}

export class Workers {
  /** Workers are known to the server that a session is with; a new session may be with a new process. */
  readonly #idle = new Map<Connection, Idle>()
  /** Of workers that the pool names: how many runs each has. */
  readonly #named = new Map<string, number>()

  /**
   * @throws NoWorker @throws McpFault with `sent: false`: what was to be run was not
   */
  async take(connection: Connection, mapping: Mapping, options: CallOptions): Promise<string> {
    const named = this.#leastUsed(mapping)
    if (named !== null) return named
    const free = this.#idle.get(connection)?.ids.pop()
    if (free !== undefined) return free
    const tool = mapping.name('worker_spawn')
    const args = mapping.workerType === null ? { count: 1 } : { worker_type: mapping.workerType, count: 1 }
    try {
      const { structuredContent, content, isError } = await connection.call(tool, args, options)
      const said = isJsonObject(structuredContent) ? structuredContent : parsed(content[0]?.text)
      const ids = said['worker_ids']
      const id: unknown = Array.isArray(ids) ? ids[0] : undefined
      if (!isError && typeof id === 'string') return id
      throw new NoWorker((isError && content[0]?.text) || `${tool} gave no worker`)
    } catch (error) {
      if (!(error instanceof McpFault)) throw error
      throw error.kind === 'refused' ? new NoWorker(error.message) : error.notBegun()
    }
  }

  #leastUsed({ workerIds, poolId }: Mapping): string | null {
    const uses = (id: string): number => this.#named.get(`${poolId}/${id}`) ?? 0
    const [best] = [...workerIds].sort((a, b) => uses(a) - uses(b))
    if (best === undefined) return null
    this.#named.set(`${poolId}/${best}`, uses(best) + 1)
    return best
  }

  /** @param usable false: nobody knows what it does now */
  give(connection: Connection, mapping: Mapping, id: string, usable: boolean): void {
    if (mapping.workerIds.includes(id)) {
      const key = `${mapping.poolId}/${id}`
      const uses = (this.#named.get(key) ?? 1) - 1
      if (uses > 0) this.#named.set(key, uses)
      else this.#named.delete(key)
      return
    }
    const closer = mapping.name('worker_close')
    if (connection.closed) return
    if (!usable) return void close(connection, [id], closer)
    const idle = this.#idle.get(connection) ?? { ids: [], since: 0, closer }
    idle.ids.push(id)
    idle.since = performance.now()
    this.#idle.set(connection, idle)
  }

  sweep(): void {
    const before = performance.now() - IDLE_MS
    for (const [connection, { ids, since, closer }] of this.#idle) {
      if (!connection.closed && since > before) continue
      this.#idle.delete(connection)
      void close(connection, ids, closer)
    }
  }

  async close(): Promise<void> {
    const all = [...this.#idle]
    this.#idle.clear()
    await Promise.all(all.map(([connection, { ids, closer }]) => close(connection, ids, closer)))
  }
}

async function close(connection: Connection, ids: readonly string[], tool: string): Promise<void> {
  try {
    if (connection.closed || ids.length === 0 || !(await connection.tools()).has(tool)) return
    for (const worker_id of ids) await connection.call(tool, { worker_id }, { timeoutMs: CLOSE_MS })
  } catch {
    // It is the server's to end what nobody uses.
  }
}

function parsed(text: string | undefined): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text ?? '')
    return isJsonObject(value) ? value : {}
  } catch {
    return {}
  }
}
