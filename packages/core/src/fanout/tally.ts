// When a fan-out is decided, and how. Fed with one outcome a branch, it says so as soon as no further outcome could
// change the answer.
import type { Aggregation, ErrorCode } from '@poolmesh/types'

export interface Outcome {
  success: boolean
  /** Equal for equal outputs (see outputDigest); read for `majority` only. */
  digest?: string | undefined
}

export interface Decision {
  status: 'completed' | 'failed'
  /** Why it failed; null where it completed. */
  reason: Extract<ErrorCode, 'NO_SUCCESS' | 'BRANCH_FAILED' | 'NO_MAJORITY' | 'QUORUM_UNREACHABLE'> | null
  /** The branches whose outcomes made the decision, in the order of the branches. */
  decidedBy: number[]
  /** The branch whose output is the value of the whole; null where there is none. */
  winner: number | null
}

/** More than half of `branches`. */
export const majorityOf = (branches: number): number => Math.floor(branches / 2) + 1

/**
 * Invariants: (1) a decision never changes; (2) it is made at the first outcome after which every continuation would
 * end in the same status; `all_success` alone waits for all, since that is its meaning; (3) the status of a full set of
 * outcomes does not depend on the order in which they came.
 */
export class Tally {
  readonly #aggregation: Aggregation
  readonly #branches: number
  /** Successes that are needed: of any output, or, for `majority`, of one. */
  readonly needed: number
  readonly #settled = new Set<number>()
  readonly #successes: number[] = []
  readonly #failures: number[] = []
  /** Successes by digest; `majority` only. */
  readonly #groups = new Map<string, number[]>()
  #largest: number[] = []
  #decision: Decision | null = null

  /** @param quorum for `quorum`; more than half where it is left out. More than there are branches fails at once. */
  constructor(aggregation: Aggregation, branches: number, quorum?: number) {
    this.#aggregation = aggregation
    this.#branches = branches
    this.needed = neededFor(aggregation, branches, quorum)
    this.#decide()
  }

  get decision(): Decision | null {
    return this.#decision
  }

  get successes(): number {
    return this.#successes.length
  }

  get failures(): number {
    return this.#failures.length
  }

  /** Different outputs among the successes; counted for `majority` only. */
  get outputs(): number {
    return this.#groups.size
  }

  /** A second outcome of a branch, and one after the decision, change nothing. */
  settle(branch: number, outcome: Outcome): Decision | null {
    if (this.#decision || this.#settled.has(branch)) return this.#decision
    this.#settled.add(branch)
    if (outcome.success) this.#successes.push(branch)
    else this.#failures.push(branch)
    if (outcome.success && this.#aggregation === 'majority') this.#group(branch, outcome.digest ?? '')
    this.#decide()
    return this.#decision
  }

  #group(branch: number, digest: string): void {
    const group = this.#groups.get(digest) ?? []
    group.push(branch)
    this.#groups.set(digest, group)
    if (group.length > this.#largest.length) this.#largest = group
  }

  #decide(): void {
    const open = this.#branches - this.#settled.size
    const agreeing = this.#aggregation === 'majority' ? this.#largest : this.#successes
    if (agreeing.length >= this.needed) this.#complete(agreeing)
    // all_success: even when it cannot complete any more, the others run to their ends.
    else if (this.#aggregation === 'all_success' ? open === 0 : agreeing.length + open < this.needed)
      this.#fail()
  }

  #complete(agreeing: number[]): void {
    const hasValue = this.#aggregation === 'first_success' || this.#aggregation === 'majority'
    this.#decision = {
      status: 'completed',
      reason: null,
      decidedBy: inOrder(agreeing),
      winner: hasValue ? (agreeing[0] as number) : null,
    }
  }

  #fail(): void {
    // No majority is the doing of all that ended, whether they failed or disagreed.
    const blamed = this.#aggregation === 'majority' ? [...this.#settled] : this.#failures
    this.#decision = {
      status: 'failed',
      reason: FAILURES[this.#aggregation],
      decidedBy: inOrder(blamed),
      winner: null,
    }
  }
}

const FAILURES = {
  first_success: 'NO_SUCCESS',
  all_success: 'BRANCH_FAILED',
  majority: 'NO_MAJORITY',
  quorum: 'QUORUM_UNREACHABLE',
} as const satisfies Record<Aggregation, Decision['reason']>

function neededFor(aggregation: Aggregation, branches: number, quorum: number | undefined): number {
  if (aggregation === 'first_success') return 1
  if (aggregation === 'all_success') return branches
  if (aggregation === 'majority') return majorityOf(branches)
  return quorum ?? majorityOf(branches)
}

const inOrder = (branches: number[]): number[] => [...branches].sort((a, b) => a - b)
