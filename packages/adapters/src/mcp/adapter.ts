// Pools that are MCP servers: Session-Buddy, and mahavishnu where its endpoint ends in /mcp.
import { type ClaimCheck, isPayloadRef, type Logger } from '@poolmesh/bus'
import type { Run } from '@poolmesh/core'
import type { DistributedTask, PoolDescriptor } from '@poolmesh/types'
import type { KnownRuns, PoolAdapter, ProgressSink, RunEvents, Traits } from '../adapter.ts'
import { type HeadersByUrl, isHttpEndpoint } from '../http/target.ts'
import { mcpServerAt } from './address.ts'
import { McpRun } from './run.ts'
import type { McpServer } from './session.ts'
import { McpSessions } from './sessions.ts'
import { within } from './within.ts'
import { Workers } from './workers.ts'

/** How long idle workers may take to be closed when this adapter ends. */
const LEAVE_MS = 1_000

export interface McpAdapterParts {
  runs: RunEvents
  /** For tasks whose payload travels by reference. */
  claims: Pick<ClaimCheck, 'get'>
  headers: HeadersByUrl
  progress?: ProgressSink
  log: Logger
}

export class McpAdapter implements PoolAdapter {
  readonly #parts: McpAdapterParts
  #sessions = new McpSessions()
  #workers = new Workers()
  readonly #runs = new Map<string, Set<McpRun>>()

  constructor(parts: McpAdapterParts) {
    this.#parts = parts
  }

  serves({ pool_type, endpoint }: PoolDescriptor): boolean {
    const url = URL.parse(endpoint ?? '')
    if (url?.protocol !== 'http:' && url?.protocol !== 'https:') return false
    return pool_type === 'session_buddy' || (pool_type === 'mahavishnu' && !isHttpEndpoint(endpoint))
  }

  /** Servers are asked to stop, and do not say whether they do. An answer comes to who asked for it and to nobody else. */
  traits({ pool_type }: PoolDescriptor): Traits {
    return { cancel: 'requested', output: pool_type !== 'session_buddy', adoption: 'none', direct: true }
  }

  /** What is heard are answers to what it asked itself, so there is nothing to begin with. */
  async act(): Promise<void> {}

  standBy(): void {
    for (const runs of this.#runs.values()) for (const run of runs) run.stop()
    this.#runs.clear()
    this.#leave()
    this.#sessions = new McpSessions()
    this.#workers = new Workers()
  }

  /** What runs goes on; what is idle is closed. */
  #leave(): void {
    const sessions = this.#sessions
    void within(LEAVE_MS, this.#workers.close()).then(() => sessions.close())
  }

  add(run: Run): void {
    void this.#follow(run)
  }

  flush(): void {}

  /** Its answer went to who asked for it, and nobody else can ask: it is told as lost, not before the caller has done. */
  adopt({ pool, entry, attempt }: Run): void {
    const problem = 'its answer could come only to the executor that had called'
    setImmediate(() => this.#parts.runs.lost(pool.name, entry.task.task_id, attempt, problem))
  }

  async #follow(run: Run): Promise<void> {
    const session = this.#sessions.of(serverOf(run.pool.descriptor, this.#parts.headers))
    const mcp = new McpRun(run, session, this.#workers, this.#parts.runs, this.#parts.progress)
    const key = `${mcp.pool}/${mcp.taskId}`
    const known = this.#runs.get(key) ?? new Set()
    this.#runs.set(key, known.add(mcp))
    try {
      const task = await this.#whole(run.entry.task, mcp)
      if (task && !run.abandoned) await mcp.send(task)
    } catch (error) {
      this.#parts.log.error(
        { err: error, pool_name: mcp.pool, task_id: mcp.taskId },
        'a run cannot be followed',
      )
      this.#parts.runs.lost(mcp.pool, mcp.taskId, mcp.attempt)
    } finally {
      this.#parts.progress?.forget(mcp)
      known.delete(mcp)
      if (known.size === 0 && this.#runs.get(key) === known) this.#runs.delete(key)
    }
  }

  async #whole(task: DistributedTask, mcp: McpRun): Promise<DistributedTask | null> {
    const ref = task['payload_ref']
    if (!isPayloadRef(ref)) return task
    const { payload_ref: _, ...rest } = task
    try {
      return { ...rest, payload: (await this.#parts.claims.get(ref)) as DistributedTask['payload'] }
    } catch (error) {
      mcp.invalid(`the payload could not be passed on: ${(error as Error).message}`)
      return null
    }
  }

  cancel(pool: string, taskId: string): void {
    for (const run of this.#runs.get(`${pool}/${taskId}`) ?? []) run.cancel()
  }

  async running(): Promise<Map<string, KnownRuns>> {
    return new Map()
  }

  sweep(): void {
    this.#workers.sweep()
    this.#sessions.sweep()
  }

  [Symbol.dispose](): void {
    for (const runs of this.#runs.values()) for (const run of runs) run.stop()
    this.#runs.clear()
    this.#leave()
  }
}

/** The path is taken as it is written, since `/mcp` and `/mcp/` differ; Session-Buddy without any is at `/mcp`. */
function serverOf({ pool_type, endpoint }: PoolDescriptor, headers: HeadersByUrl): McpServer {
  const url = new URL(endpoint as string)
  if (pool_type === 'session_buddy' && url.pathname === '/') url.pathname = '/mcp'
  return mcpServerAt(url.href, headers)
}
