// The batch log's writes: results by compare-and-set, one outstanding a batch.
import { headers, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node'
import {
  type ClaimCheck,
  fixedHeaders,
  maxPayload,
  type Publisher,
  type PublishOutcome,
  type StoredTasks,
} from '@poolmesh/bus'
import { type Batch, printResult, type TaskEngine } from '@poolmesh/core'
import { type DistributedTaskResult, HEADERS, NOTES_AHEAD, PoolmeshError } from '@poolmesh/types'
import type { Logger } from 'pino'
import type { DeadLetters } from './dead-letters.ts'
import type { Held } from './held.ts'
import { Notes } from './notes.ts'

const MAX_WRITE_BYTES = 512 * 1024
const RETRY_MS = 500
/** Writes without an answer up to which submitters are told ahead: beyond, notes that go together cost less. */
const AHEAD_WRITES = 4
/** Characters that are told ahead, at most: whoever listens keeps them until the broker has spoken. */
const AHEAD_LENGTH = 4 * 1024

export interface StorageOptions {
  /** Whether this executor dispatches now: only then it writes. */
  mayAct(): boolean
  engine: () => TaskEngine<Held>
  publisher: Publisher
  stored: StoredTasks
  claims: ClaimCheck
  dead: DeadLetters
  log: Logger
  /** Told of results that are stored, also of those that somebody else has. */
  onStored?(batch: Batch<Held>, results: readonly DistributedTaskResult[]): void
}

export class Storage {
  readonly #nc: NatsConnection
  readonly #options: StorageOptions
  readonly #notes: Notes
  #stopped = false

  constructor(nc: NatsConnection, options: StorageOptions) {
    this.#nc = nc
    this.#options = options
    this.#notes = new Notes(options.publisher)
  }

  /** See EnginePorts.append. */
  append(batch: Batch<Held>, results: DistributedTaskResult[]): number {
    const limit = Math.min(MAX_WRITE_BYTES, maxPayload(this.#nc))
    let printed = ''
    let count = 0
    let bytes = 2
    for (const result of results) {
      const text = printResult(result)
      // At most; where that is not enough to know, it is counted.
      let size = text.length * 3
      if (bytes + size > limit) size = Buffer.byteLength(text)
      if (count > 0 && bytes + size > limit) break
      if (size > maxPayload(this.#nc)) {
        void this.#claim(batch, result)
        return 1
      }
      printed += count === 0 ? text : `,${text}`
      count++
      bytes += size + 1
    }
    this.#write(batch, batch.handle.alone ? printed : `[${printed}]`)
    return count
  }

  async #claim(batch: Batch<Held>, result: DistributedTaskResult): Promise<void> {
    try {
      const ref = await this.#options.claims.put(result.output)
      this.#write(batch, this.#form(batch, { ...result, output: null, output_ref: ref }))
    } catch (error) {
      if (error instanceof PoolmeshError && error.code === 'UNAVAILABLE') return await this.#later(batch)
      const message = `the output could not be stored: ${(error as Error).message}`
      const metadata = { ...result.metadata, reason: 'PAYLOAD_TOO_LARGE' }
      this.#write(
        batch,
        this.#form(batch, { ...result, status: 'failed', output: null, error: message, metadata }),
      )
    }
  }

  #form(batch: Batch<Held>, result: DistributedTaskResult): string {
    return batch.handle.alone ? JSON.stringify(result) : `[${JSON.stringify(result)}]`
  }

  #write(batch: Batch<Held>, text: string): void {
    const { handle } = batch
    if (!this.#options.mayAct()) {
      void this.#later(batch)
      return
    }
    if (handle.isDoubtful) {
      void this.#reconcile(batch)
      return
    }
    handle.written = text
    const ahead = this.#ahead(handle.notify, text)
    const done = (outcome: PublishOutcome): void => {
      if (outcome.kind === 'stored') {
        // Told only once it is stored; a note that gets lost is asked for.
        if (handle.notify && !ahead) this.#notes.tell(handle.notify, handle.written)
        handle.written = ''
        this.#bury(batch, batch.writing)
        this.#options.onStored?.(batch, batch.writing)
        this.#options.engine().appended(batch, outcome.seq)
      } else void this.#reconcile(batch)
    }
    this.#options.publisher.publish(handle.resultSubject, text, expecting(batch.lastSequence), done, ahead)
  }

  /** Where little is being stored a submitter is told a way through this process sooner, for a message more. */
  #ahead(notify: string | null, text: string): string | null {
    if (!notify || this.#options.publisher.outstanding >= AHEAD_WRITES || text.length > AHEAD_LENGTH)
      return null
    return NOTES_AHEAD.of(notify)
  }

  /** The connection was cut: of what was stored before, the last may be lost. The next write of these batches reads first. */
  doubt(): void {
    for (const batch of this.#options.engine().batches()) batch.handle.isDoubtful = batch.lastSequence > 0
  }

  async #later(batch: Batch<Held>): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    await this.#reconcile(batch)
  }

  /** Refused or unknown: what the subject has now decides. */
  async #reconcile(batch: Batch<Held>): Promise<void> {
    while (!this.#stopped && batch.phase !== 'closed') {
      try {
        const { results, lastSequence } = await this.#options.stored.under(batch.handle.resultSubject)
        batch.handle.isDoubtful = false
        if (batch.handle.notify && results.length > 0)
          this.#notes.tell(batch.handle.notify, JSON.stringify(results))
        this.#bury(batch, results)
        this.#options.onStored?.(batch, results)
        this.#options.engine().reconcile(batch, results, lastSequence)
        return
      } catch (error) {
        this.#options.log.warn({ err: error, batch: batch.id }, 'results cannot be stored now, trying again')
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
      }
    }
  }

  #bury(batch: Batch<Held>, stored: readonly DistributedTaskResult[]): void {
    const taskOf = (id: string) => batch.entries.find(({ task }) => task.task_id === id)?.task
    this.#options.dead.bury(batch.handle, stored, taskOf)
  }

  stop(): void {
    this.#stopped = true
  }
}

const expectingNothing = fixedHeaders({ [HEADERS.expectedLastSubjectSequence]: '0' })

function expecting(sequence: number): MsgHdrs {
  if (sequence === 0) return expectingNothing
  const h = headers()
  h.set(HEADERS.expectedLastSubjectSequence, String(sequence))
  return h
}
