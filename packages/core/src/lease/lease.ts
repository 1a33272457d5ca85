// One of several processes acts, the others stand by: a lease in a register that has compare-and-set. (Gray and Cheriton,
// "Leases: An Efficient Fault-Tolerant Mechanism for Distributed File Cache Consistency", 1989.)
//
// Invariants:
//  L1  whoever holds the lease has made the last write to the register: a write names the revision that it replaces
//  L2  a holder acts only while its last renewal, by the time at which it was sent, is younger than the lease less a
//      margin; others take the lease only after they have seen no renewal for all of it
//  L3  no clock is compared with another one's: each measures its own time, and what it could not hear does not count

export interface LeaseOptions {
  /** Whose it is. */
  id: string
  /** Without a renewal for so long, others take it. */
  leaseMs: number
  renewMs: number
  /** Clocks run a little differently, and what was sent takes a moment to arrive. */
  marginMs: number
}

/** What the register has. `holder` null: it was given back, or nobody ever had it. */
export interface LeaseRecord {
  holder: string | null
  revision: number
}

export type LeaseStep =
  | { kind: 'wait' }
  /** Write our id over `expected`: a renewal, or a take-over of a lease that is free or has expired. */
  | { kind: 'write'; expected: number; taking: boolean }

/** Times are milliseconds of one monotonic clock, given by the caller. */
export class Lease {
  readonly #options: LeaseOptions
  #record: LeaseRecord | null = null
  /** The register may have gone back to an older revision, so that ours may be the one of another's write by now. */
  #doubts = false
  /** Since when the record has not changed, as far as we could hear. */
  #unchangedSince = 0
  /** When the write that holds now was sent; null where we do not hold it. */
  #renewedAt: number | null = null

  constructor(options: LeaseOptions) {
    this.#options = options
  }

  get holds(): boolean {
    return this.#renewedAt !== null
  }

  /** Whether the register has to be read before the next step. */
  get mustRead(): boolean {
    return this.#doubts || !this.holds
  }

  /** Who holds it, as far as is known. */
  get holder(): string | null {
    return this.#record?.holder ?? null
  }

  /** Whether we hold it and may act upon that (L2). */
  mayAct(now: number): boolean {
    const { leaseMs, marginMs } = this.#options
    return this.#renewedAt !== null && now - this.#renewedAt < leaseMs - marginMs
  }

  /** What the register was found to have. */
  read(record: LeaseRecord, now: number): void {
    const known = this.#record
    if (known?.revision !== record.revision) this.#unchangedSince = now
    this.#record = record
    this.#doubts = false
    if (record.holder !== this.#options.id) this.#renewedAt = null
  }

  /** Nothing could be heard until now: silence begins anew (L3). */
  deaf(now: number): void {
    this.#unchangedSince = now
  }

  /**
   * Our connection was gone, so others may take us for dead: we act again after the next renewal. And a server that was
   * restarted may have lost the last writes, so that the next one has our revision: the register is read before (L1).
   */
  doubt(): void {
    this.#doubts = true
    if (this.#renewedAt !== null) this.#renewedAt = Number.NEGATIVE_INFINITY
  }

  /** The holder is known to be dead: nobody has to wait for its lease to expire. */
  holderIsGone(holder: string): void {
    if (this.#record?.holder === holder && holder !== this.#options.id) this.#record.holder = null
  }

  step(now: number): LeaseStep {
    const record = this.#record
    if (!record || this.#doubts) return { kind: 'wait' }
    if (this.#renewedAt !== null)
      return now - this.#renewedAt >= this.#options.renewMs
        ? { kind: 'write', expected: record.revision, taking: false }
        : { kind: 'wait' }
    // Our own, of before: nobody else has taken it, so it is ours again.
    const free = record.holder === null || record.holder === this.#options.id
    return free || now - this.#unchangedSince >= this.#options.leaseMs
      ? { kind: 'write', expected: record.revision, taking: true }
      : { kind: 'wait' }
  }

  /** Our write is stored. @param sentAt when it was sent */
  written(revision: number, sentAt: number): void {
    this.#record = { holder: this.#options.id, revision }
    this.#unchangedSince = sentAt
    this.#renewedAt = sentAt
  }

  /** We have given it back, as `revision`. */
  released(revision: number, now: number): void {
    this.#record = { holder: null, revision }
    this.#unchangedSince = now
    this.#renewedAt = null
  }
}
