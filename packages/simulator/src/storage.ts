// Mirrors services/executor/src/storage.ts: results by compare-and-set, one write a batch outstanding; parking.
import type { DistributedTask, DistributedTaskResult } from '@poolmesh/types'
import { acknowledge } from './puller.ts'
import type { Outcome } from './store.ts'
import type { HeldBatch, Wiring } from './wiring.ts'

const WRITE_MS = 5_000
const RETRY_MS = 500

export class Storage {
  readonly #wiring: Wiring

  constructor(wiring: Wiring) {
    this.#wiring = wiring
  }

  append(batch: HeldBatch, results: DistributedTaskResult[]): number {
    const { process, connection, random, variant, oracle } = this.#wiring
    for (const result of results) {
      const attempt = result.metadata['sim_attempt']
      const entry = batch.entries.find(({ task }) => task.task_id === result.task_id)
      if (entry && result.status === 'failed' && typeof attempt === 'number')
        oracle.failedBy(result.task_id, attempt, entry.runs)
    }
    // As much as one message holds.
    const taken = batch.handle.alone || random.chance(0.8) ? results.length : random.int(1, results.length)
    if (!this.#wiring.mayAct()) {
      process.after(RETRY_MS, () => this.#reconcile(batch))
      return taken
    }
    if (batch.handle.isDoubtful) {
      this.#reconcile(batch)
      return taken
    }
    const part = results.slice(0, taken)
    const { broker } = connection
    const expected = variant.unfenced ? null : batch.lastSequence
    if (variant.acksEarly) this.close(batch)
    connection.call<Outcome>(
      () => broker.append(batch.handle.subject, part, expected),
      WRITE_MS,
      (reply) => {
        if (reply.kind === 'reply' && reply.value.kind === 'stored') {
          connection.publish(batch.handle.notify, part)
          this.#wiring.engine().appended(batch, reply.value.sequence)
        } else if (reply.kind !== 'reply' && variant.trustsSilence)
          this.#wiring.engine().appended(batch, batch.lastSequence)
        else this.#reconcile(batch)
      },
    )
    return taken
  }

  /** The connection was cut: of what was stored before, the last may be lost. */
  doubt(): void {
    for (const batch of this.#wiring.engine().batches()) batch.handle.isDoubtful = batch.lastSequence > 0
  }

  #reconcile(batch: HeldBatch): void {
    if (batch.phase === 'closed') return
    const { connection, process } = this.#wiring
    const { broker } = connection
    connection.call(
      () => broker.store.under(batch.handle.subject),
      WRITE_MS,
      (reply) => {
        if (reply.kind !== 'reply') process.after(RETRY_MS, () => this.#reconcile(batch))
        else {
          const { results, lastSequence } = reply.value
          batch.handle.isDoubtful = false
          if (results.length > 0) connection.publish(batch.handle.notify, results)
          this.#wiring.engine().reconcile(batch, results, lastSequence)
        }
      },
    )
  }

  close({ handle }: HeldBatch): void {
    const { connection } = this.#wiring
    if (!handle.isGone) acknowledge(connection, handle.delivery)
    for (const other of handle.others) acknowledge(connection, other)
  }

  park(batch: HeldBatch, tasks: DistributedTask[], key: string | null, wakeAt: number): void {
    const { connection, process, engine } = this.#wiring
    const { broker } = connection
    const { lane, id, handle, submittedAt } = batch
    const { at, parent, origin } = handle.delivery.message
    // The broker's clock is not ours; what is due by now comes back in a second.
    const wait = Math.max(1_000, wakeAt - process.wall())
    connection.call(
      () =>
        broker.submit(
          {
            feed: 'parked',
            id,
            at,
            tasks,
            alone: handle.alone,
            parent,
            origin,
            again: true,
            submittedAt,
            parked: { key, lane, wakeAt: broker.now + wait },
          },
          false,
        ),
      WRITE_MS,
      (reply) => engine().parking.parked(batch, key, reply.kind === 'reply' && reply.value.kind === 'stored'),
    )
  }

  retrieve(key: string, atMost: number): void {
    const { connection, engine } = this.#wiring
    const { broker } = connection
    connection.call(
      () => {
        let count = 0
        for (const message of [...broker.store.messages.values()]) {
          if (message.parked?.key !== key || count === atMost) continue
          broker.submit({ ...message, feed: `${message.parked.lane}-back`, parked: null, at: broker.now })
          if (broker.store.delete(message.sequence)) count++
        }
        return count
      },
      WRITE_MS,
      (reply) => engine().parking.retrieved(key, reply.kind === 'reply' ? reply.value : 0),
    )
  }
}
