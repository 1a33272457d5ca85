// One run in a pool behind an MCP server: a call of a tool, whose answer is the result.
import type { Answer, Run } from '@poolmesh/core'
import type { DistributedTask } from '@poolmesh/types'
import type { ProgressSink, RunEvents, RunId } from '../adapter.ts'
import { traceHeaders } from '../trace-context.ts'
import { answerOf, failed } from './answer.ts'
import type { Connection } from './connection.ts'
import { McpFault } from './fault.ts'
import { argumentsOf, mappingOf, type Plan, planOf } from './mapping.ts'
import type { CallOptions, CallProgress, McpSession } from './session.ts'
import { NoWorker, type Workers } from './workers.ts'

/** The deadline is the engine's: ours comes after it, should the engine not say so. */
const AFTER_MS = 2_000

export class McpRun implements RunId {
  readonly taskId: string
  readonly pool: string
  readonly attempt: number
  readonly #run: Run
  readonly #session: McpSession
  readonly #workers: Workers
  readonly #runs: RunEvents
  readonly #progress: ProgressSink | undefined
  readonly #cancelled = new AbortController()
  #stopped = false

  constructor(run: Run, session: McpSession, workers: Workers, runs: RunEvents, progress?: ProgressSink) {
    this.#run = run
    this.#session = session
    this.#workers = workers
    this.#runs = runs
    this.#progress = progress
    this.taskId = run.entry.task.task_id
    this.pool = run.pool.name
    this.attempt = run.attempt
  }

  /** @param task with its payload */
  async send(task: DistributedTask): Promise<void> {
    const mapping = mappingOf(this.#run.pool.descriptor)
    const trace = traceHeaders(task)
    const options: CallOptions = {
      timeoutMs: Math.max(1, this.#run.deadline - Date.now()) + AFTER_MS,
      signal: this.#cancelled.signal,
      onProgress: (progress) => this.#report(progress),
      ...(trace.traceparent === undefined ? {} : { meta: { ...trace } }),
    }
    let tool: string | null = null
    try {
      await this.#session.use(options, async (connection, rest) => {
        tool = null
        const plan = planOf(mapping, await connection.tools().catch(notBegun))
        if (typeof plan === 'string') {
          this.invalid(plan)
          return
        }
        const workerId =
          plan.runner === 'worker_execute' ? await this.#workers.take(connection, mapping, rest) : null
        let usable = false
        try {
          tool = plan.tool
          const args = argumentsOf(plan, mapping, this.#run, task, workerId)
          usable = await this.#call(connection, plan, args, rest)
        } finally {
          if (workerId !== null) this.#workers.give(connection, mapping, workerId, usable)
        }
      })
    } catch (error) {
      if (!this.#stopped) this.#failed(error as Error, tool)
    }
  }

  /** @returns whether the worker that ran it is free now */
  async #call(
    connection: Connection,
    plan: Plan,
    args: Record<string, unknown>,
    rest: CallOptions,
  ): Promise<boolean> {
    const result = await connection.call(plan.tool, args, rest)
    this.#answer(answerOf(result, plan.tool, plan.runner !== null))
    return !result.isError
  }

  #report({ progress, total, message }: CallProgress): void {
    if (this.#stopped) return
    const fraction = total !== undefined && total > 0 ? progress / total : null
    if (fraction !== null || message !== undefined) this.#progress?.report(this, fraction, message)
  }

  #failed(error: Error, tool: string | null): void {
    if (error instanceof NoWorker) this.#refused(error.message, null)
    else if (error instanceof McpFault) this.#faulty(error, tool)
    else throw error
  }

  #faulty({ kind, status = 0, code, sent, message, retryAfterMs }: McpFault, tool: string | null): void {
    if (status === 429 || (status === 503 && retryAfterMs !== null)) this.#refused(message, retryAfterMs)
    else if (kind === 'refused') this.#answer(failed(tool, message, 'protocol', { code }))
    else if (kind === 'malformed' || (kind === 'status' && (sent || status < 500))) this.invalid(message)
    else if (sent) this.#runs.lost(this.pool, this.taskId, this.attempt, message)
    else this.#runs.gone(this.pool, this.taskId, this.attempt)
  }

  #refused(error: string, retryAfterMs: number | null): void {
    const metadata = { reason: 'POOL_REFUSED', retry_after_ms: retryAfterMs }
    this.#answer({ kind: 'answer', answer: { status: 'failed', error, metadata } })
  }

  #answer(answer: Answer): void {
    if (!this.#stopped) this.#runs.answer(this.pool, this.taskId, this.attempt, answer)
  }

  invalid(problem: string): void {
    this.#answer({ kind: 'invalid', problem: `the pool's answer is no result: ${problem}` })
  }

  /** No more is told of it, and the server goes on. */
  stop(): void {
    this.#stopped = true
  }

  /** No more is told of it; the server is told, and does not say whether it stops. */
  cancel(): void {
    this.#stopped = true
    this.#cancelled.abort()
  }
}

const notBegun = (error: unknown): never => {
  throw error instanceof McpFault ? error.notBegun() : error
}
