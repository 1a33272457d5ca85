// Pools that are HTTP servers: POST {endpoint}/tasks, GET and DELETE {endpoint}/tasks/{id}.
import { type ClaimCheck, isPayloadRef, type Logger } from '@poolmesh/bus'
import type { Run } from '@poolmesh/core'
import type { DistributedTask, PoolDescriptor } from '@poolmesh/types'
import type { KnownRuns, PoolAdapter, ProgressSink, RunEvents, Traits } from '../adapter.ts'
import { clients } from './clients.ts'
import { HttpRun } from './run.ts'
import { type HeadersByUrl, isHttpEndpoint, targetOf } from './target.ts'

const TRAITS: Traits = { cancel: 'acknowledged', output: true, adoption: 'by_id' }

export interface HttpAdapterParts {
  runs: RunEvents
  /** For tasks whose payload travels by reference. */
  claims: Pick<ClaimCheck, 'get'>
  headers: HeadersByUrl
  progress?: ProgressSink
  log: Logger
}

export class HttpAdapter implements PoolAdapter {
  readonly #parts: HttpAdapterParts
  readonly #clients = clients()
  readonly #runs = new Set<HttpRun>()
  /** By pool and task: almost always one. */
  readonly #byTask = new Map<string, Set<HttpRun>>()

  constructor(parts: HttpAdapterParts) {
    this.#parts = parts
  }

  serves({ pool_type, endpoint }: PoolDescriptor): boolean {
    return pool_type === 'mahavishnu' && isHttpEndpoint(endpoint)
  }

  traits(): Traits {
    return TRAITS
  }

  /** What is heard are answers to what it asked itself, so there is nothing to begin with. */
  async act(): Promise<void> {}

  standBy(): void {
    for (const run of this.#runs) run.stop()
    this.#runs.clear()
    this.#byTask.clear()
  }

  add(run: Run): void {
    void this.#follow(run, async (http) => {
      let body: string
      try {
        body = JSON.stringify(await this.#whole(run.entry.task))
      } catch (error) {
        return http.invalid(`the payload could not be passed on: ${(error as Error).message}`)
      }
      if (!run.abandoned) await http.send(body)
    })
  }

  /** A run that an earlier executor sent: the pool is asked for it by its task's id. */
  adopt(run: Run): void {
    void this.#follow(run, (http) => http.watch(0))
  }

  flush(): void {}

  async #whole(task: DistributedTask): Promise<unknown> {
    const ref = task['payload_ref']
    if (!isPayloadRef(ref)) return task
    const { payload_ref: _, ...rest } = task
    return { ...rest, payload: await this.#parts.claims.get(ref) }
  }

  async #follow(run: Run, work: (http: HttpRun) => Promise<void>): Promise<void> {
    const { descriptor } = run.pool
    const target = targetOf(descriptor.endpoint as string, this.#parts.headers)
    const http = new HttpRun(run, target, this.#clients, this.#parts.runs, this.#parts.progress)
    const key = `${http.pool}/${http.taskId}`
    const known = this.#byTask.get(key) ?? new Set()
    this.#byTask.set(key, known.add(http))
    this.#runs.add(http)
    try {
      await work(http)
    } catch (error) {
      this.#parts.log.error(
        { err: error, pool_name: http.pool, task_id: http.taskId },
        'a run cannot be followed',
      )
      this.#parts.runs.lost(http.pool, http.taskId, http.attempt)
    } finally {
      this.#parts.progress?.forget(http)
      this.#runs.delete(http)
      known.delete(http)
      if (known.size === 0 && this.#byTask.get(key) === known) this.#byTask.delete(key)
    }
  }

  cancel(pool: string, taskId: string): void {
    for (const run of this.#byTask.get(`${pool}/${taskId}`) ?? []) void run.cancel()
  }

  async running(): Promise<Map<string, KnownRuns>> {
    return new Map()
  }

  sweep(): void {}

  [Symbol.dispose](): void {
    this.standBy()
    void this.#clients.close()
  }
}
