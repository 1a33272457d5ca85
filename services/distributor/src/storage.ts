// The batch log's writes of the parents' results: by compare-and-set, one outstanding a batch, the submitter told after.
import { setTimeout as pause } from 'node:timers/promises'
import { headers, type NatsConnection } from '@nats-io/transport-node'
import { type ClaimCheck, maxPayload, type Publisher, type StoredTasks } from '@poolmesh/bus'
import { completedSubject, type DistributedTaskResult, HEADERS, PoolmeshError } from '@poolmesh/types'
import type { Logger } from 'pino'
import type { Batch } from './records.ts'

const RETRY_MS = 500

export interface StorageParts {
  publisher: Publisher
  stored: StoredTasks
  claims: ClaimCheck
  log: Logger
  /** Told of each result that is stored for the batch, ours or another's; more than once maybe. */
  onStored(batch: Batch, result: DistributedTaskResult): void
}

export class Storage {
  readonly #nc: NatsConnection
  readonly #parts: StorageParts
  readonly #stopped = new AbortController()

  constructor(nc: NatsConnection, parts: StorageParts) {
    this.#nc = nc
    this.#parts = parts
  }

  /** Writes what is ready, now or behind the write that is outstanding. */
  write(batch: Batch): void {
    if (batch.writing || batch.ready.length === 0) return
    batch.writing = true
    this.#drain(batch)
      .catch((error: unknown) => {
        if (!this.#stopped.signal.aborted)
          this.#parts.log.error({ err: error, batch: batch.id }, 'a result could not be stored')
      })
      .finally(() => {
        batch.writing = false
        if (!this.#stopped.signal.aborted) this.write(batch)
      })
  }

  async #drain(batch: Batch): Promise<void> {
    while (batch.ready.length > 0 && !this.#stopped.signal.aborted) {
      const taken = await this.#take(batch)
      if (!taken) {
        await this.#pause()
        continue
      }
      const { results, text } = taken
      const h = headers()
      h.set(HEADERS.expectedLastSubjectSequence, String(batch.lastSequence))
      const outcome = await this.#parts.publisher.store(completedSubject(batch.id), text, h)
      if (outcome.kind === 'stored') {
        batch.lastSequence = outcome.seq
        this.#stored(batch, results, text)
      } else await this.#reconcile(batch, outcome)
    }
  }

  /** As many of the ready results as fit into one message, printed. They stay ready until they are stored. */
  async #take(batch: Batch): Promise<{ results: DistributedTaskResult[]; text: string } | null> {
    const limit = maxPayload(this.#nc)
    const results: DistributedTaskResult[] = []
    const texts: string[] = []
    let bytes = 2
    for (let i = 0; i < batch.ready.length; i++) {
      let result = batch.ready[i] as DistributedTaskResult
      let text = JSON.stringify(result)
      if (Buffer.byteLength(text) + 2 > limit) {
        const claimed = await this.#claim(result)
        if (!claimed) return null
        result = claimed
        batch.ready[i] = claimed
        text = JSON.stringify(claimed)
      }
      bytes += Buffer.byteLength(text) + 1
      if (results.length > 0 && bytes > limit) break
      results.push(result)
      texts.push(text)
    }
    return { results, text: batch.alone ? (texts[0] as string) : `[${texts.join(',')}]` }
  }

  /** An output that does not fit into a message goes through the object store; null: not now. */
  async #claim(result: DistributedTaskResult): Promise<DistributedTaskResult | null> {
    try {
      return { ...result, output: null, output_ref: await this.#parts.claims.put(result.output) }
    } catch (error) {
      this.#parts.log.warn({ err: error, task_id: result.task_id }, 'an output could not be stored')
      if (error instanceof PoolmeshError && error.code === 'UNAVAILABLE') return null
      return {
        ...result,
        status: 'failed',
        output: null,
        error: `the output could not be stored: ${(error as Error).message}`,
        metadata: { ...result.metadata, reason: 'PAYLOAD_TOO_LARGE' },
      }
    }
  }

  #stored(batch: Batch, results: DistributedTaskResult[], text: string): void {
    for (const subject of batch.notify) this.#parts.publisher.tell(subject, text)
    for (const result of results) this.#settle(batch, result)
  }

  #settle(batch: Batch, result: DistributedTaskResult): void {
    batch.ready = batch.ready.filter(({ task_id }) => task_id !== result.task_id)
    this.#parts.onStored(batch, result)
  }

  /** Refused or unknown: what the subject has now decides. */
  async #reconcile(batch: Batch, outcome: { kind: string; message?: string }): Promise<void> {
    const before = batch.lastSequence
    try {
      const { results, lastSequence } = await this.#parts.stored.under(completedSubject(batch.id))
      batch.lastSequence = lastSequence
      if (results.length > 0)
        for (const subject of batch.notify) this.#parts.publisher.tell(subject, JSON.stringify(results))
      for (const result of results) this.#settle(batch, result)
      if (lastSequence !== before) return
    } catch (error) {
      this.#parts.log.warn({ err: error, batch: batch.id }, 'stored results cannot be read now')
    }
    this.#parts.log.warn({ batch: batch.id, outcome }, 'a result was not stored, trying again')
    await this.#pause()
  }

  /** Cut short when it is stopped. */
  async #pause(): Promise<void> {
    await pause(RETRY_MS, undefined, { signal: this.#stopped.signal, ref: false }).catch(() => {})
  }

  stop(): void {
    this.#stopped.abort()
  }
}
