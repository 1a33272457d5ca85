// One run in a pool behind HTTP: sent, and watched until the pool says how it ended or nobody can know any more.
import { setTimeout as pause } from 'node:timers/promises'
import { isoTime, type Run } from '@poolmesh/core'
import { HEADERS, isJsonObject, type PoolAnswer, parsePoolAnswer } from '@poolmesh/types'
import type { ProgressSink, RunEvents, RunId } from '../adapter.ts'
import { traceHeaders } from '../trace-context.ts'
import type { Clients } from './clients.ts'
import type { Exchange } from './exchange.ts'
import type { Target } from './target.ts'

/** Between two questions: doubled each time, with jitter. */
const FIRST_POLL_MS = 50
const MAX_POLL_MS = 2_000
const POLL_TIMEOUT_MS = 10_000
const CANCEL_TIMEOUT_MS = 10_000
/** In a row; a server that starts anew or is short of something may have more to say. */
const MAX_FAILED_POLLS = 5
const MAX_PAUSE_MS = 30_000

const NOT_OVER = new Set(['pending', 'queued', 'accepted', 'running'])
const isGone = (status: number): boolean => status === 404 || status === 410

export class HttpRun implements RunId {
  readonly taskId: string
  readonly pool: string
  readonly attempt: number
  readonly #run: Run
  readonly #target: Target
  readonly #clients: Clients
  readonly #runs: RunEvents
  readonly #progress: ProgressSink | undefined
  readonly #stopped = new AbortController()

  constructor(run: Run, target: Target, clients: Clients, runs: RunEvents, progress?: ProgressSink) {
    this.#run = run
    this.#target = target
    this.#clients = clients
    this.#runs = runs
    this.#progress = progress
    this.taskId = run.entry.task.task_id
    this.pool = run.pool.name
    this.attempt = run.attempt
  }

  get #path(): string {
    return `/tasks/${this.taskId}`
  }

  /** @param body the task as JSON */
  async send(body: string): Promise<void> {
    const { attempt, deadline } = this.#run
    const said = await this.#clients.work.exchange(this.#target, {
      method: 'POST',
      path: '/tasks',
      headers: {
        [HEADERS.attempt]: String(attempt),
        [HEADERS.deadline]: isoTime(deadline),
        'Idempotency-Key': `${this.taskId}/${attempt}`,
        ...traceHeaders(this.#run.entry.task),
      },
      body,
      signal: this.#stopped.signal,
    })
    if (said.kind === 'aborted' || this.#stopped.signal.aborted) return
    if (said.kind === 'unreachable') return this.#runs.gone(this.pool, this.taskId, attempt)
    if (said.kind === 'too_large') return this.invalid(said.problem)
    // It may have been begun: the pool is asked what became of it.
    if (said.kind !== 'response') return await this.watch()
    const { status } = said
    if (status === 202 || status === 409) return await this.watch(said.retryAfterMs)
    if (status === 429 || (status === 503 && said.retryAfterMs !== null)) return this.#refused(said)
    this.#ended(said)
  }

  /** Asks for the run until it is over. */
  async watch(firstMs: number | null = null): Promise<void> {
    const { signal } = this.#stopped
    let delay = FIRST_POLL_MS
    let failed = 0
    let wait = firstMs
    while (!signal.aborted) {
      await pause(Math.min(MAX_PAUSE_MS, wait ?? delay * (0.75 + Math.random() / 2)), undefined, {
        signal,
      }).catch(() => {})
      if (signal.aborted) return
      delay = Math.min(MAX_POLL_MS, delay * 2)
      const said = await this.#ask('GET', POLL_TIMEOUT_MS, signal)
      if (signal.aborted) return
      wait = said.kind === 'response' ? said.retryAfterMs : null
      if (said.kind === 'too_large') return this.invalid(said.problem)
      // It knows an earlier run of the task only: ours is still to come, or has never reached it.
      if (said.kind !== 'response' || said.status === 429 || said.status >= 500 || this.#isEarlier(said)) {
        if (++failed >= MAX_FAILED_POLLS) return this.#lost()
        continue
      }
      failed = 0
      if (isGone(said.status)) return this.#lost()
      if (!this.#goesOn(said)) return this.#ended(said)
      this.#report(said.body)
    }
  }

  #isEarlier({ body }: Exchange & { kind: 'response' }): boolean {
    return isJsonObject(body) && typeof body['attempt'] === 'number' && body['attempt'] < this.attempt
  }

  #goesOn({ status, body }: Exchange & { kind: 'response' }): boolean {
    if (status === 202) return true
    return status === 200 && isJsonObject(body) && NOT_OVER.has(String(body['status']))
  }

  /** `progress: {fraction, message}`, as pools of the worker package have it. */
  #report(body: unknown): void {
    const progress = isJsonObject(body) && body['attempt'] === this.attempt ? body['progress'] : null
    if (!isJsonObject(progress)) return
    const { fraction, message } = progress
    this.#progress?.report(
      this,
      typeof fraction === 'number' ? fraction : null,
      typeof message === 'string' ? message : undefined,
    )
  }

  async #ask(method: 'GET' | 'DELETE', timeoutMs: number, stop?: AbortSignal): Promise<Exchange> {
    const path = this.#path
    return await this.#clients.short.exchange(this.#target, {
      method,
      path,
      timeoutMs,
      ...(stop ? { signal: stop } : {}),
    })
  }

  /** No more is told of it, and the pool goes on. */
  stop(): void {
    this.#stopped.abort()
  }

  /** Stops watching and tells the pool. That it has stopped is told as an answer, which gives its slot back. */
  async cancel(): Promise<void> {
    this.stop()
    const said = await this.#ask('DELETE', CANCEL_TIMEOUT_MS)
    if (said.kind !== 'response') return
    if ((said.status >= 200 && said.status < 300 && said.status !== 202) || isGone(said.status))
      this.#answer({ status: 'cancelled' })
  }

  #answer(answer: PoolAnswer): void {
    this.#runs.answer(this.pool, this.taskId, this.attempt, { kind: 'answer', answer })
  }

  invalid(problem: string): void {
    this.#runs.answer(this.pool, this.taskId, this.attempt, {
      kind: 'invalid',
      problem: `the pool's answer is no DistributedTaskResult: ${problem}`,
    })
  }

  #lost(): void {
    this.#runs.lost(this.pool, this.taskId, this.attempt)
  }

  #refused({ status, retryAfterMs }: Exchange & { kind: 'response' }): void {
    this.#answer({
      status: 'failed',
      error: `HTTP status ${status}`,
      metadata: { reason: 'POOL_REFUSED', retry_after_ms: retryAfterMs },
    })
  }

  #ended(said: Exchange & { kind: 'response' }): void {
    const read = this.#read(said)
    if (typeof read === 'string') this.invalid(read)
    else this.#answer(read)
  }

  /** The result, or what is wrong with it. */
  #read({ status, body, problem }: Exchange & { kind: 'response' }): PoolAnswer | string {
    if (status >= 300 && status < 400) return `HTTP status ${status}, redirects are not followed`
    if (status !== 200) return `HTTP status ${status}`
    if (problem !== null) return problem
    const parsed = parsePoolAnswer(body)
    if (!parsed.ok) return parsed.error.message
    const { task_id } = parsed.answer
    return task_id === undefined || task_id === this.taskId
      ? parsed.answer
      : `it is for another task, ${task_id}`
  }
}
