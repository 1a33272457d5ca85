// Claim check: what is too large for a message goes to an object store, and the message carries a reference to it.
import { DiscardPolicy, type JetStreamManager, RetentionPolicy } from '@nats-io/jetstream'
import { type ObjectStore, Objm, StorageType } from '@nats-io/obj'
import { type NatsConnection, nanos, nuid } from '@nats-io/transport-node'
import { isJsonObject, MAX_PAYLOAD_BYTES, PAYLOAD_STORE, PoolmeshError } from '@poolmesh/types'

/** The claim: what a message carries in place of the value. */
export interface PayloadRef {
  /** The object store; always `PAYLOADS`. */
  store: string
  name: string
  /** Bytes of JSON. */
  size: number
  /** Of the JSON's bytes, in lower-case hex. */
  sha256: string
}

/** A task may wait 7 days (`queue_timeout`) and then run; what it refers to has to live longer. */
const KEPT_MS = 8 * 24 * 3_600_000
/** The largest chunk that is stored as one message; the store's own default. */
const CHUNK_BYTES = 128 * 1024
const DEFAULT_STALLED_MS = 10_000

const SHA256_HEX = /^[0-9a-f]{64}$/

/** Whether a `payload_ref` or `output_ref` is one that {@link ClaimCheck} could have made. */
export const isPayloadRef = (value: unknown): value is PayloadRef =>
  isJsonObject(value) &&
  value['store'] === PAYLOAD_STORE &&
  typeof value['name'] === 'string' &&
  value['name'].length > 0 &&
  value['name'].length <= 256 &&
  Number.isSafeInteger(value['size']) &&
  (value['size'] as number) >= 0 &&
  typeof value['sha256'] === 'string' &&
  SHA256_HEX.test(value['sha256'])

export interface ClaimCheckOptions {
  /** Milliseconds without a chunk after which a read is given up; default 10,000. */
  stalledMs?: number
}

/** Puts JSON into the object store `PAYLOADS` and gets it back. The services make the store; where none ran yet, it is made here. */
export class ClaimCheck {
  readonly #nc: NatsConnection
  readonly #stalledMs: number
  #store: Promise<ObjectStore> | null = null

  constructor(nc: NatsConnection, options: ClaimCheckOptions = {}) {
    this.#nc = nc
    this.#stalledMs = options.stalledMs ?? DEFAULT_STALLED_MS
  }

  /**
   * Stores a value under a new name for 8 days.
   * @param value anything that has a JSON form; a string or bytes are taken to be JSON text already
   * @throws PoolmeshError PAYLOAD_TOO_LARGE over 64 MiB, UNAVAILABLE when the broker does not store it
   */
  async put(value: unknown): Promise<PayloadRef> {
    const bytes = bytesOf(value)
    refuseTooLarge(bytes.byteLength, 'the payload')
    const store = await this.#open()
    const name = nuid.next()
    const info = await store
      .put({ name, options: { max_chunk_size: CHUNK_BYTES } }, inChunks(bytes))
      .catch((cause: Error) => {
        throw unavailable(`the payload could not be stored: ${cause.message}`, cause)
      })
    return { store: PAYLOAD_STORE, name, size: bytes.byteLength, sha256: hexOf(info.digest) }
  }

  /**
   * The value behind a reference; its checksum is verified.
   * @throws PoolmeshError NOT_FOUND when it is not or no longer there or is not what was put, INVALID_INPUT for a
   *   reference that makes no sense, PAYLOAD_TOO_LARGE over 64 MiB, INVALID_JSON, UNAVAILABLE
   */
  async get(ref: PayloadRef): Promise<unknown> {
    if (!isPayloadRef(ref))
      throw new PoolmeshError(
        'INVALID_INPUT',
        `a reference to a payload has {store: "${PAYLOAD_STORE}", name, size, sha256 (64 hex digits)}`,
      )
    refuseTooLarge(ref.size, 'the payload')
    const store = await this.#open()
    const object = await store.get(ref.name).catch((cause: Error) => {
      if (/message not found|no message found/i.test(cause.message)) return null
      throw unavailable(`the payload ${ref.name} could not be read: ${cause.message}`, cause)
    })
    if (!object) throw missing(ref, 'is not there: it was deleted, or is older than 8 days')
    // Whoever reads must not be made to hold more than the reference admits to.
    if (object.info.size !== ref.size || hexOf(object.info.digest) !== ref.sha256) {
      await object.data.cancel()
      throw missing(ref, 'is there, but is not what the reference was made for')
    }
    const bytes = await readAll(object.data, ref, this.#stalledMs)
    try {
      return JSON.parse(bytes.toString('utf8'))
    } catch (cause) {
      throw new PoolmeshError(
        'INVALID_JSON',
        `the payload ${ref.name} is not JSON: ${(cause as Error).message}`,
      )
    }
  }

  /** Frees what a reference stands for, as soon as nobody needs it; nothing happens where it is gone already. */
  async delete(ref: PayloadRef): Promise<void> {
    const store = await this.#open()
    await store.delete(ref.name).catch((cause: Error) => {
      if (/message not found|no message found/i.test(cause.message)) return
      throw unavailable(`the payload ${ref.name} could not be deleted: ${cause.message}`, cause)
    })
  }

  #open(): Promise<ObjectStore> {
    this.#store ??= openStore(this.#nc).catch((cause: Error) => {
      // The next call tries again: a broker that was away may be back.
      this.#store = null
      throw unavailable(`the store for large payloads is out of reach: ${cause.message}`, cause)
    })
    return this.#store
  }
}

const STORE = {
  storage: StorageType.File,
  description: 'payloads and outputs that are too large for a message',
}

/** The stream of the store, as clients of NATS make it (ADR-20). */
export const payloadStream = (replicas: number): Parameters<JetStreamManager['streams']['add']>[0] => ({
  ...STORE,
  name: `OBJ_${PAYLOAD_STORE}`,
  subjects: [`$O.${PAYLOAD_STORE}.C.>`, `$O.${PAYLOAD_STORE}.M.>`],
  retention: RetentionPolicy.Limits,
  num_replicas: replicas,
  discard: DiscardPolicy.New,
  max_age: nanos(KEPT_MS),
  allow_direct: true,
  allow_rollup_hdrs: true,
})

/** The store, made if no service has made it yet. */
async function openStore(nc: NatsConnection): Promise<ObjectStore> {
  const objects = new Objm(nc)
  const make = () => objects.create(PAYLOAD_STORE, { ...STORE, ttl: nanos(KEPT_MS) })
  // Between its look and its creation another process may have made the store; the second look finds it.
  return await make().catch(make)
}

function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  if (text === undefined) throw new PoolmeshError('INVALID_INPUT', 'the payload has no JSON form')
  return Buffer.from(text, 'utf8')
}

const mebibytes = (bytes: number): string => `${(bytes / 1024 ** 2).toFixed(1)} MiB`

/** @throws PoolmeshError PAYLOAD_TOO_LARGE. @param what `the payload` or `the output`, for the message */
export function refuseTooLarge(bytes: number, what: string): void {
  if (bytes > MAX_PAYLOAD_BYTES)
    throw new PoolmeshError(
      'PAYLOAD_TOO_LARGE',
      `${what} has ${bytes} bytes of JSON (${mebibytes(bytes)}), and ${MAX_PAYLOAD_BYTES} (${mebibytes(MAX_PAYLOAD_BYTES)}) are allowed: keep it elsewhere and pass its address`,
    )
}

const unavailable = (message: string, cause: Error): PoolmeshError =>
  new PoolmeshError('UNAVAILABLE', message, [], { cause })

const missing = (ref: PayloadRef, why: string): PoolmeshError =>
  new PoolmeshError('NOT_FOUND', `the payload ${ref.name} in the object store ${ref.store} ${why}`)

/** The store gives `SHA-256=<base64url>`. */
const hexOf = (digest: string): string =>
  Buffer.from(digest.slice('SHA-256='.length), 'base64url').toString('hex')

/** In slices: the store's buffer copies what is left of it with every chunk that it takes off. */
function inChunks(bytes: Uint8Array): ReadableStream<Uint8Array> {
  let at = 0
  return new ReadableStream({
    pull(controller) {
      if (at < bytes.byteLength) controller.enqueue(bytes.subarray(at, at + CHUNK_BYTES))
      else controller.close()
      at += CHUNK_BYTES
    },
  })
}

/** Chunks expire before the entry that names them does, and a read of missing ones would wait forever. */
async function readAll(
  data: ReadableStream<Uint8Array>,
  ref: PayloadRef,
  stalledMs: number,
): Promise<Buffer> {
  const reader = data.getReader()
  const parts: Uint8Array[] = []
  let stalled = false
  const watch = setTimeout(() => {
    stalled = true
    void reader.cancel()
  }, stalledMs)
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (stalled) throw missing(ref, 'is incomplete')
      if (done) return Buffer.concat(parts)
      parts.push(value)
      watch.refresh()
    }
  } catch (cause) {
    if (cause instanceof PoolmeshError) throw cause
    throw unavailable(
      `the payload ${ref.name} could not be read: ${(cause as Error).message}`,
      cause as Error,
    )
  } finally {
    clearTimeout(watch)
  }
}
