// From a request to a stored task, and from there to its result where the caller waits for it.
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TraceContext } from '@poolmesh/bus'
import type { DistributedTaskExecutor, TaskHandle } from '@poolmesh/client'
import { outputDigest } from '@poolmesh/core'
import {
  type DistributedTaskInput,
  type DistributedTaskResult,
  type ErrorCode,
  isId,
  isJsonObject,
  PoolmeshError,
} from '@poolmesh/types'
import { HttpFault } from '../http/problem.ts'
import { inTrace } from '../http/trace-of.ts'

/** How long a task may take to be stored before the caller is told that it is not, or may not be. */
const STORE_MS = 15_000
/** Longest that a caller may wait for a result, in seconds. */
const MAX_WAIT_S = 300
/** Between two looks for the result of a task that somebody else submitted. */
const LOOK_MS = 250

/** Keys of requests, each with what it was sent with, so that a second use for another task is told. */
const MAX_KEYS = 100_000
/** A key that came with what was refused is still free. */
const NOT_STORED: ReadonlySet<ErrorCode> = new Set(['INVALID_INPUT', 'PAYLOAD_TOO_LARGE', 'OVERLOADED'])

export class Submitting {
  readonly #executor: DistributedTaskExecutor
  readonly #keys = new Map<string, string>()

  constructor(executor: DistributedTaskExecutor) {
    this.#executor = executor
  }

  /**
   * Resolves when the task is stored.
   * @param key `Idempotency-Key`: becomes the id of the task, so that a second request is the first one's task
   * @param trace that the request belongs to; what the task names itself stands
   * @throws PoolmeshError INVALID_INPUT, CONFLICT, OVERLOADED, PAYLOAD_TOO_LARGE, UNAVAILABLE, DEADLINE_EXCEEDED
   */
  async submit(input: unknown, key?: string | undefined, trace?: TraceContext): Promise<Submitted> {
    const task = inTrace(key === undefined ? input : withKey(input, key), trace)
    const forget = key === undefined ? null : this.#remember(taskIdOf(key), input)
    const store = new AbortController()
    let handle: TaskHandle | undefined
    try {
      handle = this.#executor.submit(task as DistributedTaskInput, { signal: store.signal })
      await withinStoreTime(handle.stored, store)
      return new Submitted(this.#executor, handle.taskId, handle)
    } catch (error) {
      if (error instanceof PoolmeshError && NOT_STORED.has(error.code)) forget?.()
      const taken = error instanceof PoolmeshError && error.code === 'CONFLICT'
      if (!taken || key === undefined) throw error
      // The first request with this key was stored, and is waited for.
      return new Submitted(this.#executor, taskIdOf(key), null)
    }
  }

  /** @returns takes it back, where it was the first. @throws PoolmeshError CONFLICT */
  #remember(id: string, input: unknown): (() => void) | null {
    const print = outputDigest(input)
    const before = this.#keys.get(id)
    if (before !== undefined && before !== print)
      throw new PoolmeshError('CONFLICT', 'the Idempotency-Key was used for another task', [
        { path: 'Idempotency-Key', message: 'was used for another task' },
      ])
    this.#keys.delete(id)
    this.#keys.set(id, print)
    if (this.#keys.size > MAX_KEYS) this.#keys.delete(this.#keys.keys().next().value!)
    return before === undefined ? () => void this.#keys.delete(id) : null
  }
}

export class Submitted {
  readonly taskId: string
  readonly #executor: DistributedTaskExecutor
  readonly #handle: TaskHandle | null

  /** Nothing is kept of the task here, however long it waits and runs. To be called when nobody will ask for its result. */
  letGo(): void {
    this.#handle?.letGo()
  }

  constructor(executor: DistributedTaskExecutor, taskId: string, handle: TaskHandle | null) {
    this.#executor = executor
    this.taskId = taskId
    this.#handle = handle
  }

  /** @returns null: it has not ended within the time, and goes on */
  async result(seconds: number, gone: AbortSignal): Promise<DistributedTaskResult | null> {
    const over = AbortSignal.any([AbortSignal.timeout(seconds * 1_000), gone])
    try {
      if (this.#handle) return await this.#handle.result({ signal: over })
      for (;;) {
        const result = await this.#executor.getTaskResult(this.taskId, { signal: over })
        if (result) return result
        await sleep(LOOK_MS, undefined, { signal: over })
      }
    } catch (error) {
      if (over.aborted) return null
      throw error
    }
  }
}

/** Aborted before it is confirmed, a task is taken back, or cancelled once it is found to be stored. */
async function withinStoreTime(stored: Promise<void>, store: AbortController): Promise<void> {
  const timer = setTimeout(
    () =>
      store.abort(
        new PoolmeshError('DEADLINE_EXCEEDED', `the broker did not confirm it within ${STORE_MS / 1_000} s`),
      ),
    STORE_MS,
  )
  try {
    await stored
  } finally {
    clearTimeout(timer)
  }
}

/** What is no id becomes one: the same key, the same id. Quotes are those of the header's grammar. */
function taskIdOf(key: string): string {
  const text = /^"(.*)"$/.exec(key.trim())?.[1] ?? key.trim()
  return isId(text) ? text : `key_${createHash('sha256').update(text).digest('base64url')}`
}

function withKey(input: unknown, key: string): unknown {
  if (!isJsonObject(input)) return input
  const id = taskIdOf(key)
  if (input['task_id'] !== undefined && input['task_id'] !== id)
    throw new PoolmeshError('INVALID_INPUT', 'the task is not valid at task_id: is not the Idempotency-Key', [
      { path: 'task_id', message: 'is not the Idempotency-Key' },
    ])
  return { ...input, task_id: id }
}

/** Seconds of `Prefer: wait=30`; null where nothing of it is there. @throws HttpFault 400 */
export function waitOf(header: string | string[] | undefined): number | null {
  const [, text] = /(?:^|[,;\s])wait\s*=\s*"?([^\s,;"]*)/i.exec([header ?? []].flat().join(',')) ?? []
  if (text === undefined) return null
  if (!/^\d+$/.test(text))
    throw new HttpFault(400, 'INVALID_INPUT', 'Prefer: wait=<seconds> needs a whole number of seconds')
  return Math.min(MAX_WAIT_S, Number(text))
}
