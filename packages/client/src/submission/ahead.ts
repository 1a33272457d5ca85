// Results that the executor tells while they are being stored (NOTES_AHEAD): each counts once the broker has said that it is
// stored, and what the broker refused is dropped. Through a cluster either may come first.
import type { Msg } from '@nats-io/transport-node'
import { publishOutcome } from '@poolmesh/bus'

/** Of which only one half has come, at most; the oldest goes, and its task is looked up like any whose note got lost. */
const MAX_HALVES = 256

export class AheadNotes {
  /** By writer and number: what was told, or that it is stored. */
  readonly #halves = new Map<string, Msg | 'stored'>()

  /**
   * @param subject ends in `told.<writer>.<n>` or `stored.<writer>.<n>`
   * @returns the message with results that are stored now
   */
  hear(subject: string, message: Msg): Msg | null {
    const [kind, writer, n] = subject.split('.').slice(-3)
    const key = `${writer}.${n}`
    const other = this.#halves.get(key)
    if (kind === 'told') {
      if (other !== 'stored') return this.#keep(key, message)
      this.#halves.delete(key)
      return message
    }
    const isStored = publishOutcome(message).kind === 'stored'
    if (isStored && other === undefined) return this.#keep(key, 'stored')
    this.#halves.delete(key)
    return isStored && other !== 'stored' ? (other ?? null) : null
  }

  #keep(key: string, half: Msg | 'stored'): null {
    this.#halves.set(key, half)
    if (this.#halves.size > MAX_HALVES) this.#halves.delete(this.#halves.keys().next().value as string)
    return null
  }
}
