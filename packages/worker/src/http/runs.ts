// The runs of an HTTP pool: taken while there are workers, known by their task's id and their number, told to stop.
import { randomUUID } from 'node:crypto'
import { HEADERS, isId, parseTask } from '@poolmesh/types'
import type { Answering, Reply } from '../outbox.ts'
import type { Runner } from '../runner.ts'
import { Refused, refusal } from './exchange.ts'
import { type Kept, type KeptLimits, KeptRuns } from './kept.ts'

/** Seconds after which a pool that is full may be asked again. */
const RETRY_AFTER_S = '1'

export class HttpRuns implements Answering {
  /** There is no connection that answers wait for. */
  readonly link = { breaks: 0, up: true }
  readonly #kept: KeptRuns
  readonly runner: Runner
  readonly #slots: number
  /** By what is the subject of their replies. */
  readonly #running = new Map<string, Kept>()
  /** Tasks whose bodies are being read: each has a slot. */
  #coming = 0
  #stopping = false

  /** @param runnerFor makes who runs what is accepted, and answers here */
  constructor(slots: number, limits: KeptLimits, runnerFor: (answering: Answering) => Runner) {
    this.#slots = slots
    this.#kept = new KeptRuns(limits)
    this.runner = runnerFor(this)
  }

  stop(): void {
    this.#stopping = true
  }

  /** See {@link KeptRuns.hasUnread}. */
  hasUnread(lastMs: number): boolean {
    return this.#kept.hasUnread(lastMs)
  }

  get(taskId: string): Kept | undefined {
    return this.#kept.get(taskId)
  }

  /** The run that a request is about although its body is not read yet: `Idempotency-Key: <task_id>/<attempt>`. */
  byKey(key: string | string[] | undefined): Kept | undefined {
    const [, taskId = '', attempt] = /^([^/]+)\/(\d+)$/.exec(String(key ?? '')) ?? []
    const kept = isId(taskId) ? this.#kept.get(taskId) : undefined
    return kept && kept.attempt === Number(attempt) ? kept : undefined
  }

  /**
   * @param read gives the task
   * @param attempt the number of the run
   * @returns the run, begun now or before
   * @throws Refused where there is no worker for it, or it makes no sense
   */
  async submit(read: () => Promise<unknown>, attempt: number): Promise<Kept> {
    const { running, queued } = this.runner.stats
    if (this.#stopping) throw full('the pool is shutting down')
    if (running + queued + this.#coming >= this.#slots) throw full(`the pool is busy: ${running} tasks run`)
    this.#coming++
    try {
      return this.#accept(await read(), attempt)
    } finally {
      this.#coming--
    }
  }

  #accept(body: unknown, attempt: number): Kept {
    const parsed = parseTask(body, { taskId: randomUUID() })
    if (!parsed.ok) throw new Refused(parsed.error)
    const { task } = parsed
    const known = this.#kept.get(task.task_id)
    if (known?.attempt === attempt) return known
    if (known && known.attempt > attempt)
      throw refusal('CONFLICT', `the task's run ${known.attempt} is known, which is a later one`)
    if (this.#stopping) throw full('the pool is shutting down')
    const kept = this.#kept.begin(task.task_id, attempt)
    const subject = `${task.task_id}/${attempt}`
    this.#running.set(subject, kept)
    this.runner.accept({ many: false, items: [{ task, attempt }], bad: [] }, { subject, many: false })
    return kept
  }

  add({ subject }: Reply, text: string): void {
    const kept = this.#running.get(subject)
    this.#running.delete(subject)
    if (kept) this.#kept.end(kept, text)
  }

  /** @returns the run that was told to stop, or has ended */
  cancel(taskId: string): Kept | undefined {
    const kept = this.#kept.get(taskId)
    if (kept) this.runner.cancel(taskId, null)
    return kept
  }

  /** What a run tells of how far it is. */
  progress(text: string): void {
    const { task_id, attempt, fraction, message } = JSON.parse(text)
    const kept = this.#kept.get(task_id)
    if (kept && kept.attempt === attempt) kept.progress = { fraction, message }
  }
}

const full = (why: string): Refused => refusal('POOL_REFUSED', why, 503, { 'retry-after': RETRY_AFTER_S })

export const attemptIn = (headers: NodeJS.Dict<string | string[]>): number => {
  const attempt = Number(headers[HEADERS.attempt.toLowerCase()])
  return Number.isSafeInteger(attempt) && attempt >= 1 ? attempt : 1
}
