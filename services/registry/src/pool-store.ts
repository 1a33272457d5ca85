// The one writer of the bucket POOLS. Every change is decided on what is known and stored by compare-and-set; who loses
// reads what is there and decides again. So no change is built on something that is no longer so, whoever else writes.
import { type KV, type KvEntry, Kvm } from '@nats-io/kv'
import { headers, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node'
import { Publisher, type PublishOutcome, WRONG_LAST_SEQUENCE } from '@poolmesh/bus'
import { isRegisteredPool, type PoolCatalog, type RegisteredPool } from '@poolmesh/core'
import { BUCKETS, HEADERS, PoolmeshError } from '@poolmesh/types'

/** What is stored under a name; `revision` counts for a pool that was removed too. */
interface Current {
  pool: RegisteredPool | null
  revision: number
}

export type Change = { kind: 'put'; pool: RegisteredPool } | { kind: 'remove' } | { kind: 'keep' }

/** Times that a change is decided anew; every time somebody else got ahead, or the broker did not answer. */
const MAX_ATTEMPTS = 8
/** How long the mark of a removal is kept, for those who were away: whoever was away longer begins anew. */
const REMOVAL_KEPT = '24h'

export class PoolStore implements Disposable {
  readonly #bucket: KV
  readonly #catalog: PoolCatalog
  readonly #publisher: Publisher

  private constructor(bucket: KV, catalog: PoolCatalog, publisher: Publisher) {
    this.#bucket = bucket
    this.#catalog = catalog
    this.#publisher = publisher
  }

  static async open(nc: NatsConnection, catalog: PoolCatalog): Promise<PoolStore> {
    return new PoolStore(await new Kvm(nc).open(BUCKETS.pools), catalog, new Publisher(nc))
  }

  /**
   * Stores what `decide` makes of the pool, and puts it into the catalog once it is stored.
   * @param decide may be called several times. `keep` on a pool that is not known here is asked again after a look at
   *   the bucket: another registry may have stored it a moment ago
   * @throws what `decide` throws; PoolmeshError UNAVAILABLE when the broker does not store it
   */
  async change(name: string, decide: (current: RegisteredPool | null) => Change): Promise<Change> {
    const known = this.#catalog.known(name)
    let current: Current = known ?? { pool: null, revision: 0 }
    let wasRead = false
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const change = decide(current.pool)
      if (change.kind === 'keep') {
        if (current.pool !== null || wasRead) return change
        current = await this.#read(name)
        wasRead = true
        continue
      }
      const text = change.kind === 'put' ? JSON.stringify(change.pool) : ''
      const outcome = await this.#publisher.store(
        `$KV.${BUCKETS.pools}.${name}`,
        text,
        expecting(current.revision, change.kind),
      )
      if (outcome.kind === 'stored') {
        this.#tell(name, change, outcome.seq)
        return change
      }
      if (outcome.kind === 'refused' && !WRONG_LAST_SEQUENCE.has(outcome.code)) throw refused(outcome)
      const entry = await this.#entry(name)
      // No answer says nothing: what is there says whether it was stored.
      if (outcome.kind === 'unknown' && entry && entry.revision > current.revision && isOurs(entry, text)) {
        this.#tell(name, change, entry.revision)
        return change
      }
      current = this.#learn(name, entry)
      wasRead = true
    }
    throw new PoolmeshError(
      'UNAVAILABLE',
      `the pool ${name} could not be stored: too many others change it, or the broker does not answer`,
    )
  }

  /** Looks into the bucket for a pool that is not known here: another registry may have stored it a moment ago. */
  async lookUp(name: string): Promise<void> {
    await this.#read(name)
  }

  async #read(name: string): Promise<Current> {
    return this.#learn(name, await this.#entry(name))
  }

  async #entry(name: string): Promise<KvEntry | null> {
    try {
      return await this.#bucket.get(name)
    } catch (cause) {
      throw new PoolmeshError(
        'UNAVAILABLE',
        `the stored pools cannot be read now: ${(cause as Error).message}`,
        [],
        { cause },
      )
    }
  }

  #learn(name: string, entry: KvEntry | null): Current {
    if (entry === null) return { pool: null, revision: 0 }
    const pool = entry.operation === 'PUT' ? poolIn(entry) : null
    this.#tell(name, pool ? { kind: 'put', pool } : { kind: 'remove' }, entry.revision)
    return { pool, revision: entry.revision }
  }

  #tell(name: string, change: Change, revision: number): void {
    if (change.kind === 'put') this.#catalog.put(change.pool, revision)
    else if (change.kind === 'remove') this.#catalog.remove(name, revision)
  }

  [Symbol.dispose](): void {
    this.#publisher.close()
  }
}

function expecting(revision: number, kind: 'put' | 'remove'): MsgHdrs {
  const header = headers()
  header.set(HEADERS.expectedLastSubjectSequence, String(revision))
  if (kind === 'remove') {
    header.set('KV-Operation', 'DEL')
    // Names of pools come and go for years: the marks of those that went must not add up.
    header.set('Nats-TTL', REMOVAL_KEPT)
  }
  return header
}

/** Null for what is no pool, whoever put it there: it may be replaced. */
function poolIn(entry: KvEntry): RegisteredPool | null {
  try {
    const value: unknown = JSON.parse(entry.string())
    return isRegisteredPool(value) && value.name === entry.key ? value : null
  } catch {
    return null
  }
}

/** Of two removals at once it does not matter whose is stored. */
const isOurs = (entry: KvEntry, text: string): boolean =>
  entry.operation === 'PUT' ? entry.string() === text : text === ''

const refused = (outcome: Exclude<PublishOutcome, { kind: 'stored' }>): PoolmeshError =>
  new PoolmeshError('UNAVAILABLE', `the broker does not store the pool: ${outcome.message}`)
