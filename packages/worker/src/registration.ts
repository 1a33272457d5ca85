// Keeps the registry informed: registers until it answers, again when it lost the pool, and takes the pool back at the
// end, if it is still this process that has the name.
import { setTimeout as sleep } from 'node:timers/promises'
import type { NatsConnection } from '@nats-io/transport-node'
import type { Logger } from '@poolmesh/bus'
import {
  ERRORS,
  type ErrorCode,
  isJsonObject,
  type PoolDescriptor,
  PoolmeshError,
  SUBJECTS,
} from '@poolmesh/types'

const REQUEST_MS = 2_000
/** At the end nobody should have to wait for a registry that is away. */
const LAST_REQUEST_MS = 1_000
const FIRST_PAUSE_MS = 100
const LAST_PAUSE_MS = 5_000
/** Refusals that a later try may not meet. */
const PASSING: readonly string[] = ['UNAVAILABLE', 'INTERNAL', 'OVERLOADED', 'DEADLINE_EXCEEDED']

type Reply =
  | { kind: 'ok'; value: unknown }
  | { kind: 'refused'; error: PoolmeshError }
  | { kind: 'silent'; why: string }

/** Whose the name is by the registry: this process's, another's, nobody's, or there was no word. */
type Owner = 'ours' | 'others' | 'nobody' | 'unknown'

export class Registration {
  readonly #nc: NatsConnection
  readonly #descriptor: () => PoolDescriptor
  readonly #name: string
  /** Told apart by it: two processes that register the same name. */
  readonly #instance: string
  readonly #log: Logger
  #ensuring: Promise<void> | null = null

  /** @param descriptor what is registered, with the load of the moment; `metadata.poolmesh.instance` is `instance` */
  constructor(nc: NatsConnection, descriptor: () => PoolDescriptor, instance: string, log: Logger) {
    this.#nc = nc
    this.#descriptor = descriptor
    this.#name = descriptor().name
    this.#instance = instance
    this.#log = log
  }

  /**
   * Resolves when the registry has stored the pool.
   * @throws PoolmeshError of the registry's when it refuses for good; the signal's reason when that is aborted
   */
  async register(signal: AbortSignal): Promise<void> {
    await this.#persist(signal, async () => {
      const reply = await this.#ask(SUBJECTS.poolRegister, this.#descriptor())
      if (reply.kind === 'refused' && !PASSING.includes(reply.error.code)) throw reply.error
      if (reply.kind === 'ok') return null
      return reply.kind === 'silent' ? reply.why : reply.error.message
    })
    this.#log.info('registered')
  }

  /** After a reconnect: registers again if the registry does not know the pool any more. Never rejects. */
  async ensure(signal: AbortSignal): Promise<void> {
    this.#ensuring ??= this.#ensure(signal)
      .catch((error: Error) => {
        if (!signal.aborted) this.#log.error({ err: error }, 'the pool could not be registered again')
      })
      .finally(() => {
        this.#ensuring = null
      })
    await this.#ensuring
  }

  async #ensure(signal: AbortSignal): Promise<void> {
    const owner = await this.#persist<{ found: Owner }>(signal, async () => {
      const found = await this.#owner()
      return found === 'unknown' ? 'the registry does not answer' : { found }
    })
    if (owner.found === 'nobody') await this.register(signal)
    else if (owner.found === 'others') this.#log.warn('another process has registered this pool’s name')
  }

  /** Tells the registry once, without insisting: a pool that ends without a word is noticed by its heartbeats. */
  async deregister(drain: boolean): Promise<void> {
    const owner = await this.#owner(LAST_REQUEST_MS)
    if (owner === 'ours')
      await this.#ask(SUBJECTS.poolDeregister, { name: this.#name, drain }, LAST_REQUEST_MS)
    else if (owner === 'unknown') this.#log.warn('the registry could not be told that the pool ends')
  }

  async #owner(timeout = REQUEST_MS): Promise<Owner> {
    const reply = await this.#ask(SUBJECTS.poolGet, { name: this.#name }, timeout)
    if (reply.kind === 'refused') return reply.error.code === 'NOT_FOUND' ? 'nobody' : 'unknown'
    if (reply.kind === 'silent' || !isJsonObject(reply.value)) return 'unknown'
    const metadata = reply.value['metadata']
    const own = isJsonObject(metadata) ? metadata['poolmesh'] : null
    return isJsonObject(own) && own['instance'] === this.#instance ? 'ours' : 'others'
  }

  /** Tries until `attempt` gives no text; a text says why it was in vain. */
  async #persist<T>(signal: AbortSignal, attempt: () => Promise<T | string>): Promise<Exclude<T, string>> {
    let pause = FIRST_PAUSE_MS
    for (;;) {
      signal.throwIfAborted()
      const outcome = await attempt()
      if (typeof outcome !== 'string') return outcome as Exclude<T, string>
      if (this.#nc.isClosed()) throw new PoolmeshError('UNAVAILABLE', 'the connection to NATS was closed')
      this.#log.warn({ why: outcome }, 'the registry could not be reached, trying again')
      await sleep(pause * (0.75 + Math.random() / 2), undefined, { signal })
      pause = Math.min(LAST_PAUSE_MS, pause * 2)
    }
  }

  async #ask(subject: string, body: unknown, timeout = REQUEST_MS): Promise<Reply> {
    try {
      const message = await this.#nc.request(subject, JSON.stringify(body), { timeout })
      const value: unknown = message.json()
      const error = isJsonObject(value) ? value['error'] : undefined
      if (!isJsonObject(error)) return { kind: 'ok', value }
      const known = typeof error['code'] === 'string' && Object.hasOwn(ERRORS, error['code'])
      const code = known ? (error['code'] as ErrorCode) : 'INTERNAL'
      return { kind: 'refused', error: new PoolmeshError(code, String(error['message'])) }
    } catch (error) {
      return { kind: 'silent', why: `${subject}: ${(error as Error).message}` }
    }
  }
}
