// The batch log's writes: results by compare-and-set, one outstanding a batch; parking and bringing back.
import { createHash } from 'node:crypto'
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { headers, type NatsConnection } from '@nats-io/transport-node'
import { type ClaimCheck, maxPayload, type Publisher, type StoredTasks } from '@poolmesh/bus'
import type { Batch, TaskEngine } from '@poolmesh/core'
import { type DistributedTask, type DistributedTaskResult, HEADERS, STREAMS } from '@poolmesh/types'
import type { Logger } from 'pino'
import type { Held } from './held.ts'

const MAX_WRITE_BYTES = 512 * 1024
/** Subject token of tasks that no signature brings back, only time. */
const BY_TIME = 'later'
const RETRY_MS = 500

export interface StorageOptions {
  /** Whether this executor dispatches now: only then it writes. */
  mayAct(): boolean
  engine: () => TaskEngine<Held>
  publisher: Publisher
  stored: StoredTasks
  claims: ClaimCheck
  log: Logger
}

/** A signature as one subject token. */
const signatureToken = (key: string): string => createHash('sha256').update(key).digest('hex').slice(0, 20)

export class Storage {
  readonly #nc: NatsConnection
  readonly #jsm: JetStreamManager
  readonly #options: StorageOptions
  #stopped = false

  private constructor(nc: NatsConnection, jsm: JetStreamManager, options: StorageOptions) {
    this.#nc = nc
    this.#jsm = jsm
    this.#options = options
  }

  static async open(nc: NatsConnection, options: StorageOptions): Promise<Storage> {
    return new Storage(nc, await jetstreamManager(nc), options)
  }

  /** See EnginePorts.append. */
  append(batch: Batch<Held>, results: DistributedTaskResult[]): number {
    const limit = Math.min(MAX_WRITE_BYTES, maxPayload(this.#nc))
    const parts: string[] = []
    let bytes = 2
    for (const result of results) {
      const text = JSON.stringify(result)
      const size =
        text.length > limit / 4
          ? Buffer.byteLength(text)
          : text.length * 3 > limit
            ? Buffer.byteLength(text)
            : text.length
      if (parts.length > 0 && bytes + size > limit) break
      if (size > maxPayload(this.#nc)) {
        void this.#claim(batch, result)
        return 1
      }
      parts.push(text)
      bytes += size + 1
    }
    this.#write(batch, batch.handle.alone ? (parts[0] as string) : `[${parts.join(',')}]`)
    return parts.length
  }

  async #claim(batch: Batch<Held>, result: DistributedTaskResult): Promise<void> {
    try {
      const ref = await this.#options.claims.put(result.output)
      this.#write(batch, this.#form(batch, { ...result, output: null, output_ref: ref }))
    } catch (error) {
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
    const h = headers()
    h.set(HEADERS.expectedLastSubjectSequence, String(batch.lastSequence))
    this.#options.publisher.publish(handle.resultSubject, text, h, (outcome) => {
      if (outcome.kind === 'stored') {
        // Told only once it is stored; a note that gets lost is asked for.
        if (handle.notify) this.#options.publisher.tell(handle.notify, handle.written)
        handle.written = ''
        this.#options.engine().appended(batch, outcome.seq)
      } else void this.#reconcile(batch)
    })
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
          this.#options.publisher.tell(batch.handle.notify, JSON.stringify(results))
        this.#options.engine().reconcile(batch, results, lastSequence)
        return
      } catch (error) {
        this.#options.log.warn({ err: error, batch: batch.id }, 'results cannot be stored now, trying again')
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
      }
    }
  }

  /** See EnginePorts.park: a scheduled message that returns to its lane by itself at `wakeAt`. */
  park(batch: Batch<Held>, tasks: DistributedTask[], signatureKey: string | null, wakeAt: number): void {
    const { handle } = batch
    const token = signatureKey === null ? BY_TIME : signatureToken(signatureKey)
    const h = headers()
    h.set('Nats-Schedule', `@at ${new Date(Math.max(wakeAt, Date.now() + 1_000)).toISOString()}`)
    h.set('Nats-Schedule-Target', `task.submitted.${batch.lane}-back.${batch.id}`)
    h.set(HEADERS.submitted, String(batch.submittedAt))
    if (handle.notify) h.set(HEADERS.notify, handle.notify)
    if (handle.resultSubject.startsWith('task.branch.')) h.set(HEADERS.parent, '1')
    const body = JSON.stringify(handle.alone ? tasks[0] : tasks)
    this.#options.publisher.publish(`task.parked.${token}.${batch.lane}.${batch.id}`, body, h, (outcome) => {
      if (outcome.kind !== 'stored')
        this.#options.log.warn({ batch: batch.id, outcome }, 'could not be parked')
      this.#options.engine().parking.parked(batch, signatureKey, outcome.kind === 'stored')
    })
  }

  /** See EnginePorts.retrieve: back into the lane first, and only then out of the parked, so that nothing is lost. */
  async retrieve(signatureKey: string, atMost: number): Promise<void> {
    let count = 0
    try {
      const filter = `task.parked.${signatureToken(signatureKey)}.>`
      const messages = await this.#jsm.direct.getBatch(STREAMS.tasks, {
        seq: 1,
        next_by_subj: filter,
        batch: atMost,
      })
      const moves: Promise<boolean>[] = []
      for await (const message of messages) {
        const [, , , lane, id] = message.subject.split('.')
        const h = headers()
        h.set(HEADERS.expectedLastSubjectSequence, '0')
        for (const name of [HEADERS.submitted, HEADERS.notify, HEADERS.parent])
          if (message.header?.has(name)) h.set(name, message.header.get(name))
        const moved = this.#options.publisher.store(`task.submitted.${lane}-back.${id}`, message.data, h)
        moves.push(
          moved.then(async (outcome) => {
            if (outcome.kind === 'unknown') return false
            return await this.#jsm.streams.deleteMessage(STREAMS.tasks, message.seq, false).catch(() => false)
          }),
        )
      }
      count = (await Promise.all(moves)).filter(Boolean).length
    } catch (error) {
      if (!/no message|not found/i.test((error as Error).message))
        this.#options.log.warn({ err: error }, 'parked tasks cannot be read now')
    }
    if (!this.#stopped) this.#options.engine().parking.retrieved(signatureKey, count)
  }

  /** What is parked already when an executor starts: one task of each signature says what it requires. */
  async findParked(known: (task: DistributedTask) => void): Promise<void> {
    const info = await this.#jsm.streams.info(STREAMS.tasks, { subjects_filter: 'task.parked.>' })
    const tokens = new Set(
      Object.keys(info.state.subjects ?? {}).map((subject) => subject.split('.')[2] as string),
    )
    tokens.delete(BY_TIME)
    for (const token of tokens) {
      const message = await this.#jsm.direct.getMessage(STREAMS.tasks, {
        seq: 1,
        next_by_subj: `task.parked.${token}.>`,
      })
      if (!message) continue
      const body: unknown = message.json()
      known((Array.isArray(body) ? body[0] : body) as DistributedTask)
    }
  }

  stop(): void {
    this.#stopped = true
  }
}
