// The bucket of verdicts, shared by all monitors: each write is a compare-and-set on the revision of the pool's key, so
// that of several monitors that come to the same finding one stores it, and tells it.
import type { KV } from '@nats-io/kv'
import { headers } from '@nats-io/transport-node'
import { type Publisher, type StoredHealth, WRONG_LAST_SEQUENCE } from '@poolmesh/bus'
import { BUCKETS, HEADERS } from '@poolmesh/types'

export type WriteOutcome =
  | { kind: 'stored'; revision: number }
  | { kind: 'lost' }
  | { kind: 'unknown'; message: string }

interface Known {
  health: StoredHealth | null
  revision: number
}

const DELETED = { health: null, revision: 0 } as const satisfies Known

export class Verdicts {
  readonly #bucket: KV
  readonly #publisher: Publisher
  readonly #known = new Map<string, Known>()

  constructor(bucket: KV, publisher: Publisher) {
    this.#bucket = bucket
    this.#publisher = publisher
  }

  get(name: string): StoredHealth | null {
    return this.#known.get(name)?.health ?? null
  }

  names(): IterableIterator<string> {
    return this.#known.keys()
  }

  /** Takes note of what the bucket has. @returns false when something newer is known */
  heard(name: string, health: StoredHealth | null, revision: number): boolean {
    if (revision <= (this.#known.get(name)?.revision ?? 0)) return false
    // Nothing is kept of a deleted key; the next write finds out its revision.
    if (health) this.#known.set(name, { health, revision })
    else this.#known.delete(name)
    return true
  }

  /** Stores it if nobody has written to the key since we last heard of it. */
  async write(name: string, health: StoredHealth): Promise<WriteOutcome> {
    const outcome = await this.#put(name, JSON.stringify(health))
    if (outcome.kind === 'stored') this.heard(name, health, outcome.revision)
    return outcome
  }

  /** Takes the key away, unless somebody has written to it. */
  async remove(name: string): Promise<void> {
    if (!this.get(name)) return
    const outcome = await this.#put(name, '', 'DEL')
    if (outcome.kind === 'stored') this.heard(name, null, outcome.revision)
  }

  /** Reads the key anew. */
  async refresh(name: string): Promise<{ health: StoredHealth | null; revision: number }> {
    const entry = await this.#bucket.get(name)
    if (!entry) return DELETED
    if (entry.operation === 'PUT') return { health: entry.json<StoredHealth>(), revision: entry.revision }
    // A marker of a deletion: its revision is what the next write has to name.
    this.#known.set(name, { health: null, revision: entry.revision })
    return DELETED
  }

  async #put(name: string, data: string, operation?: 'DEL'): Promise<WriteOutcome> {
    const h = headers()
    h.set(HEADERS.expectedLastSubjectSequence, String(this.#known.get(name)?.revision ?? 0))
    if (operation) h.set('KV-Operation', operation)
    const outcome = await this.#publisher.store(`$KV.${BUCKETS.health}.${name}`, data, h)
    if (outcome.kind === 'stored') return { kind: 'stored', revision: outcome.seq }
    if (outcome.kind === 'refused' && WRONG_LAST_SEQUENCE.has(outcome.code)) return { kind: 'lost' }
    return { kind: 'unknown', message: outcome.message }
  }
}
