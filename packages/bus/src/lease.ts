// A lease in a KV key, kept by compare-and-set: read twice a second, renewed once a second, and taken at once from a
// holder whose connection is gone.

import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { headers, type NatsConnection, errors as natsErrors } from '@nats-io/transport-node'
import { HEADERS, isJsonObject } from '@poolmesh/types'
import type { Logger } from './log.ts'
import { Publisher } from './publisher.ts'
import { isNothing } from './stored-results.ts'

/** What decides. `Lease` of the core is one; this package knows no more of it. */
export interface LeaseRules {
  readonly holds: boolean
  readonly mustRead: boolean
  readonly holder: string | null
  mayAct(now: number): boolean
  read(record: { holder: string | null; revision: number }, now: number): void
  deaf(now: number): void
  doubt(): void
  holderIsGone(holder: string): void
  step(now: number): { kind: 'wait' } | { kind: 'write'; expected: number; taking: boolean }
  written(revision: number, sentAt: number): void
  released(revision: number, now: number): void
}

export interface LeaseKeeperOptions {
  id: string
  /** What is leased: a key of the bucket. */
  key: string
  bucket: string
  rules: LeaseRules
  log: Logger
  /** Whether another that stands by would do better than we as the successor of that holder: it goes first. */
  isBehind(holder: string): Promise<boolean>
  /** We hold it, and did not before. */
  onTaken(): void
  /** We do not hold it any more. */
  onLost(): void
}

const TURN_MS = 500
const WRITE_TIMEOUT_MS = 2_000
/** A holder that lives answers within a round trip; a dead one is known by the server at once. */
const ALIVE_TIMEOUT_MS = 1_000
/** After a reconnect others have to find the server again too, before their silence says anything. */
const SETTLE_MS = 2_000

/** Whoever would do better has had its chance after so many turns. */
const TURNS_BEHIND = 4

const aliveSubject = (key: string, holder: string): string => `poolmesh.lease.${key}.${holder}`
const freeSubject = (key: string): string => `poolmesh.lease.${key}`

export class LeaseKeeper implements AsyncDisposable {
  readonly #nc: NatsConnection
  readonly #jsm: JetStreamManager
  readonly #options: LeaseKeeperOptions
  readonly #publisher: Publisher
  readonly #stops = new DisposableStack()
  #turning: Promise<void> | null = null
  #holds = false
  #settledAt = 0
  #turnsBehind = 0
  #stopped = false

  private constructor(nc: NatsConnection, jsm: JetStreamManager, options: LeaseKeeperOptions) {
    this.#nc = nc
    this.#jsm = jsm
    this.#options = options
    this.#publisher = new Publisher(nc, { timeoutMs: WRITE_TIMEOUT_MS })
  }

  /** Takes its first turn before it resolves: where nobody else is, the lease is held then. */
  static async open(nc: NatsConnection, options: LeaseKeeperOptions): Promise<LeaseKeeper> {
    const keeper = new LeaseKeeper(nc, await jetstreamManager(nc), options)
    const { key, id } = options
    keeper.#stops.use(keeper.#publisher)
    const listen = (subject: string, hear: (reply: (data: string) => void) => void): void => {
      const subscription = nc.subscribe(subject, {
        callback: (error, message) => {
          if (!error) hear((data) => message.respond(data))
        },
      })
      keeper.#stops.defer(() => subscription.unsubscribe())
    }
    listen(aliveSubject(key, id), (reply) => reply('{}'))
    listen(freeSubject(key), () => void keeper.#turn())
    await nc.flush()
    const timer = setInterval(() => void keeper.#turn(), TURN_MS)
    keeper.#stops.defer(() => clearInterval(timer))
    void keeper.#follow().catch(() => {})
    await keeper.#turn()
    return keeper
  }

  get holds(): boolean {
    return this.#options.rules.holds
  }

  /** Whether we hold the lease and may act upon that now. */
  get mayAct(): boolean {
    return this.#options.rules.mayAct(performance.now())
  }

  async #follow(): Promise<void> {
    for await (const { type } of this.#nc.status()) {
      if (type === 'disconnect') this.#options.rules.doubt()
      if (type !== 'reconnect') continue
      const now = performance.now()
      this.#settledAt = now + SETTLE_MS
      this.#options.rules.deaf(now)
      void this.#turn()
    }
  }

  /** One turn at a time; whoever comes meanwhile waits for it. */
  #turn(): Promise<void> {
    this.#turning ??= this.#step()
      .catch((error: Error) => {
        if (!this.#stopped && !this.#nc.isClosed())
          this.#options.log.warn({ err: error }, 'the lease of the executors cannot be read now')
      })
      .finally(() => {
        this.#turning = null
        this.#tell()
      })
    return this.#turning
  }

  async #step(): Promise<void> {
    const { rules } = this.#options
    if (this.#stopped) return
    const held = rules.holds
    if (rules.mustRead) await this.#read()
    // Told before it may be taken again: what was done under it is not to go on as if nothing had happened.
    if (held && !rules.holds) return
    const { holder } = rules
    if (
      !rules.holds &&
      holder !== null &&
      performance.now() >= this.#settledAt &&
      (await this.#isGone(holder))
    )
      rules.holderIsGone(holder)
    const sentAt = performance.now()
    const step = rules.step(sentAt)
    if (step.kind === 'wait' || this.#stopped) return
    if (step.taking && holder !== null && this.#turnsBehind < TURNS_BEHIND) {
      this.#turnsBehind++
      if (await this.#options.isBehind(holder)) return
    }
    this.#turnsBehind = 0
    const revision = await this.#write(this.#options.id, step.expected)
    if (revision !== null) {
      rules.written(revision, sentAt)
      return
    }
    // Where nobody can write, in a cluster that elects a leader, the holder could not either: its silence says nothing.
    rules.deaf(performance.now())
    // Refused or no answer: the register says what came of it.
    await this.#read()
  }

  /** Tells what has changed, in the order in which it did. */
  #tell(): void {
    const { rules } = this.#options
    if (rules.holds === this.#holds) return
    this.#holds = rules.holds
    if (this.#holds) this.#options.onTaken()
    else this.#options.onLost()
  }

  async #read(): Promise<void> {
    const { bucket, key, rules } = this.#options
    const message = await this.#jsm.direct
      .getMessage(`KV_${bucket}`, { last_by_subj: `$KV.${bucket}.${key}` })
      .catch((error: Error) => {
        if (isNothing(error)) return null
        throw error
      })
    const value: unknown = message ? message.json() : null
    const holder = isJsonObject(value) && typeof value['holder'] === 'string' ? value['holder'] : null
    rules.read({ holder, revision: message?.seq ?? 0 }, performance.now())
  }

  async #write(holder: string | null, expected: number): Promise<number | null> {
    const { bucket, key } = this.#options
    const h = headers()
    h.set(HEADERS.expectedLastSubjectSequence, String(expected))
    const outcome = await this.#publisher.store(`$KV.${bucket}.${key}`, JSON.stringify({ holder }), h)
    return outcome.kind === 'stored' ? outcome.seq : null
  }

  /** The server knows at once when a process's connection is gone. Silence proves nothing. */
  async #isGone(holder: string): Promise<boolean> {
    try {
      await this.#nc.request(aliveSubject(this.#options.key, holder), '', { timeout: ALIVE_TIMEOUT_MS })
      return false
    } catch (error) {
      return error instanceof natsErrors.RequestError && error.isNoResponders()
    }
  }

  /** Gives the lease back, so that another takes it now. Call it when nothing of what it protects goes on. */
  async release(): Promise<void> {
    this.#stopped = true
    await this.#turning
    const { rules, key } = this.#options
    if (!rules.holds || this.#nc.isClosed()) return
    await this.#read().catch(() => {})
    const step = rules.step(Number.POSITIVE_INFINITY)
    if (!rules.holds || step.kind === 'wait') return
    const revision = await this.#write(null, step.expected)
    if (revision === null) return
    rules.released(revision, performance.now())
    this.#nc.publish(freeSubject(key))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true
    await this.#turning
    this.#stops.dispose()
  }
}
