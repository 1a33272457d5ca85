// Mirrors packages/bus/src/lease.ts: a lease in a register, kept by compare-and-set; the core's Lease decides.
import { Lease } from '@poolmesh/core'
import { type Flow, run, until } from './flow.ts'
import type { Connection, Reply } from './network.ts'
import type { Process } from './process.ts'
import type { Outcome } from './store.ts'

const TURN_MS = 500
const WRITE_MS = 2_000
const READ_MS = 5_000
const ALIVE_MS = 1_000
const SETTLE_MS = 2_000
const TURNS_BEHIND = 4
const RULES = { leaseMs: 4_000, renewMs: 1_000, marginMs: 1_000 }
const KEY = 'dispatcher'

export interface LeaseParts {
  readonly id: string
  readonly process: Process
  readonly connection: Connection
  isBehind(holder: string): Flow<boolean>
  onTaken(): void
  onLost(): void
}

export class LeaseKeeper {
  readonly #parts: LeaseParts
  readonly #rules: Lease
  #turning = false
  #holds = false
  #settledAt = 0
  #turnsBehind = 0
  #stopped = false

  constructor(parts: LeaseParts) {
    this.#parts = parts
    this.#rules = new Lease({ id: parts.id, ...RULES })
    const { connection, process, id } = parts
    connection.subscribe(`lease.alive.${id}`, (_, respond) => respond(true))
    connection.subscribe('lease.free', () => this.#turn())
    this.#turn()
    process.every(TURN_MS, () => this.#turn())
  }

  get holds(): boolean {
    return this.#rules.holds
  }

  get mayAct(): boolean {
    return this.#rules.mayAct(this.#now())
  }

  #now(): number {
    return this.#parts.process.monotonic()
  }

  down(): void {
    this.#rules.doubt()
  }

  up(): void {
    this.#settledAt = this.#now() + SETTLE_MS
    this.#rules.deaf(this.#now())
    this.#turn()
  }

  #turn(): void {
    if (this.#turning) return
    this.#turning = true
    run(this.#step(), () => {
      this.#turning = false
      this.#tell()
    })
  }

  *#step(): Flow<void> {
    const rules = this.#rules
    if (this.#stopped) return
    const held = rules.holds
    if (rules.mustRead && !(yield* this.#read())) return
    if (held && !rules.holds) return
    const { holder } = rules
    const settled = this.#now() >= this.#settledAt
    if (!rules.holds && holder !== null && settled && (yield* this.#isGone(holder)))
      rules.holderIsGone(holder)
    const sentAt = this.#now()
    const step = rules.step(sentAt)
    if (step.kind === 'wait' || this.#stopped) return
    if (step.taking && holder !== null && this.#turnsBehind < TURNS_BEHIND) {
      this.#turnsBehind++
      if (yield* this.#parts.isBehind(holder)) return
    }
    this.#turnsBehind = 0
    const revision = yield* this.#write(this.#parts.id, step.expected)
    if (revision !== null) {
      rules.written(revision, sentAt)
      return
    }
    rules.deaf(this.#now())
    yield* this.#read()
  }

  #tell(): void {
    if (this.#rules.holds === this.#holds) return
    this.#holds = this.#rules.holds
    if (this.#holds) this.#parts.onTaken()
    else this.#parts.onLost()
  }

  *#read(): Flow<boolean> {
    const { connection } = this.#parts
    const reply = yield* until<Reply<{ value: unknown; revision: number }>>((resume) =>
      connection.call(() => connection.broker.store.read(KEY), READ_MS, resume),
    )
    if (reply.kind !== 'reply') return false
    const { value, revision } = reply.value
    this.#rules.read({ holder: value as string | null, revision }, this.#now())
    return true
  }

  *#write(holder: string | null, expected: number): Flow<number | null> {
    const { connection } = this.#parts
    const reply = yield* until<Reply<Outcome>>((resume) =>
      connection.call(() => connection.broker.store.write(KEY, holder, expected), WRITE_MS, resume),
    )
    return reply.kind === 'reply' && reply.value.kind === 'stored' ? reply.value.sequence : null
  }

  *#isGone(holder: string): Flow<boolean> {
    const reply = yield* until<Reply<unknown>>((resume) =>
      this.#parts.connection.request(`lease.alive.${holder}`, null, ALIVE_MS, resume),
    )
    return reply.kind === 'nobody'
  }

  *release(): Flow<void> {
    this.#stopped = true
    if (!this.#rules.holds) return
    yield* this.#read()
    const step = this.#rules.step(Number.POSITIVE_INFINITY)
    if (!this.#rules.holds || step.kind === 'wait') return
    const revision = yield* this.#write(null, step.expected)
    if (revision === null) return
    this.#rules.released(revision, this.#now())
    this.#parts.connection.publish('lease.free', null)
  }
}
