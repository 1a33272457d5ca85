// The life of one fan-out, from the pools it goes to until every branch has its outcome. No I/O: whoever drives it
// submits the branches that `start` names, tells what came of them, and cancels the `losers`.
import type { DistributedTask, DistributedTaskResult, FanOut } from '@poolmesh/types'
import { branchId } from './branch-id.ts'
import { outputDigest } from './canonical.ts'
import { type Decision, Tally } from './tally.ts'

export type FanOutTask = DistributedTask & { fan_out: FanOut }

export const isFanOut = (task: DistributedTask): task is FanOutTask => task.fan_out != null

export interface Branch {
  readonly index: number
  readonly id: string
  readonly pool: string
  /** `idle`: not submitted yet. `settled`: its result is known. */
  state: 'idle' | 'submitted' | 'settled'
  result: DistributedTaskResult | null
  /** The digest of an output that is not in the result itself (`output_ref`), where somebody worked it out. */
  digest?: string
}

/** What came of a branch. */
export interface EndedBranch {
  result: DistributedTaskResult
  /** What the result's output takes, roughly. */
  bytes?: number
  /** Of an output that the result only refers to. */
  digest?: string | undefined
}

export interface FanOutRunOptions {
  /** Deduplicated; the order of the branches. At least one. */
  pools: string[]
  /** Milliseconds since the epoch, as are all other times here. */
  submittedAt: number
  /** Bytes of branch outputs that the result may carry; later ones are left out, with a mark. */
  maxOutputBytes: number
}

/**
 * Invariants: (1) no branch is submitted twice, and none after the decision; (2) never more than `max_parallel` branches
 * are submitted and not settled, except those that were found so; (3) the run closes only when every branch is settled,
 * so each one's own outcome is in the result; (4) nothing is decided before it is known what was begun before.
 */
export class FanOutRun {
  readonly task: FanOutTask
  readonly branches: readonly Branch[]
  readonly submittedAt: number
  /** When the first branch was submitted. */
  startedAt: number | null = null
  decidedAt: number | null = null
  readonly tally: Tally
  /** The error text of whoever cancelled the whole; null while nobody did. */
  cancelledBecause: string | null = null
  readonly #byId: Map<string, Branch>
  readonly #maxOutputBytes: number
  /** What was told before it is known what was begun; null: it is known. */
  #early: EndedBranch[] | null = null
  #outputBytes = 0
  #submitted = 0
  #settled = 0
  #next = 0

  constructor(task: FanOutTask, options: FanOutRunOptions) {
    this.task = task
    this.submittedAt = options.submittedAt
    this.#maxOutputBytes = options.maxOutputBytes
    this.branches = options.pools.map((pool, index) => ({
      index,
      id: branchId(task.task_id, index),
      pool,
      state: 'idle',
      result: null,
    }))
    this.#byId = new Map(this.branches.map((branch) => [branch.id, branch]))
    this.tally = new Tally(task.fan_out.aggregation, this.branches.length, task.fan_out.quorum)
  }

  /** `closing`: decided, but there are branches whose outcome has not come. */
  get phase(): 'open' | 'closing' | 'closed' {
    if (this.decidedAt === null) return 'open'
    return this.#settled === this.branches.length ? 'closed' : 'closing'
  }

  get decision(): Decision | null {
    return this.tally.decision
  }

  get outputBytes(): number {
    return this.#outputBytes
  }

  branch(id: string): Branch | undefined {
    return this.#byId.get(id)
  }

  /** Submitted, and without a result: what is waited for, and, once it is decided, the losers that are to be cancelled. */
  outstanding(): Branch[] {
    if (this.#submitted === 0) return []
    return this.branches.filter((branch) => branch.state === 'submitted')
  }

  /** The branches that are to be submitted now, in their order. Each is named once. */
  start(now: number): Branch[] {
    if (this.#early) return []
    // A quorum of more branches than there are is decided before anything starts.
    if (this.tally.decision) this.#close(now)
    const starting: Branch[] = []
    while (this.phase === 'open' && this.#submitted < this.task.fan_out.max_parallel) {
      const branch = this.#nextIdle()
      if (!branch) break
      this.#submit(branch, now)
      starting.push(branch)
    }
    return starting
  }

  #nextIdle(): Branch | undefined {
    while (this.branches[this.#next] && this.branches[this.#next]?.state !== 'idle') this.#next++
    return this.branches[this.#next]
  }

  #submit(branch: Branch, now: number): void {
    branch.state = 'submitted'
    this.#submitted++
    this.startedAt ??= now
  }

  /** Somebody drove this fan-out before: what is told of its branches waits until {@link recovered}. */
  recover(): void {
    this.#early = []
  }

  /**
   * What was found of the branches that whoever drove this fan-out before had begun. All of it is known before any of it
   * decides, or a branch that has an outcome would be taken for one that never began.
   * @param pending ids of branches that are submitted
   */
  recovered(pending: Iterable<string>, ended: readonly EndedBranch[], now: number): void {
    const all = [...ended, ...(this.#early ?? [])]
    this.#early = null
    for (const id of [...pending, ...all.map(({ result }) => result.task_id)]) {
      const branch = this.#byId.get(id)
      if (branch?.state === 'idle') this.#submit(branch, now)
    }
    for (const { result, bytes, digest } of all) this.settle(result, now, bytes, digest)
  }

  /**
   * A branch ended. Whatever is not a branch, or is settled already, changes nothing.
   * @param bytes what the result's output takes, roughly
   * @param digest of an output that the result only refers to
   * @returns whether it was news
   */
  settle(result: DistributedTaskResult, now: number, bytes = 0, digest?: string): boolean {
    const branch = this.#byId.get(result.task_id)
    if (!branch || branch.state === 'settled') return false
    if (this.#early) {
      this.#early.push({ result, bytes, digest })
      return false
    }
    if (branch.state === 'submitted') this.#submitted--
    // A result that was stored before this run began: the branch had been started.
    else this.startedAt ??= now
    this.#record(branch, result, bytes)
    if (this.decidedAt !== null) return true
    const success = result.status === 'completed'
    const key =
      success && this.task.fan_out.aggregation === 'majority' ? (digest ?? digestOf(result)) : undefined
    if (this.tally.settle(branch.index, { success, digest: key })) this.#close(now)
    return true
  }

  #record(branch: Branch, result: DistributedTaskResult, bytes: number): void {
    branch.state = 'settled'
    branch.result = result
    this.#settled++
    if (result.output === null) return
    if (this.#outputBytes + bytes > this.#maxOutputBytes)
      branch.result = { ...result, output: null, metadata: { ...result.metadata, output_omitted: true } }
    else this.#outputBytes += bytes
  }

  /** Ends the whole as cancelled. @returns false when it is decided already */
  cancel(reason: string | undefined, now: number): boolean {
    if (this.decidedAt !== null) return false
    this.cancelledBecause = reason ?? ''
    this.#close(now)
    return true
  }

  /** Nothing is submitted any more; what never was ends here. */
  #close(now: number): void {
    if (this.decidedAt !== null) return
    this.decidedAt = now
    for (const branch of this.branches)
      if (branch.state === 'idle') this.#record(branch, this.cancelledBranch(branch), 0)
  }

  /** The result of a branch that nobody ran, or of a loser whose own outcome does not come. */
  cancelledBranch(branch: Branch): DistributedTaskResult {
    const why =
      this.cancelledBecause === null ? 'the fan-out was decided without it' : 'the fan-out was cancelled'
    return this.endedBranch(branch, 'cancelled', 'CANCELLED', why)
  }

  /** The result of a branch that could not be submitted, or that nobody ran. */
  endedBranch(
    branch: Branch,
    status: 'cancelled' | 'timeout' | 'failed',
    reason: 'CANCELLED' | 'QUEUE_TIMEOUT' | 'PAYLOAD_TOO_LARGE',
    error: string,
  ): DistributedTaskResult {
    return {
      task_id: branch.id,
      pool_name: branch.pool,
      status,
      output: null,
      error,
      duration: 0,
      metadata: { attempts: 0, queued_ms: 0, reason, parent_id: this.task.task_id, branch: branch.index },
    }
  }
}

/** An output in the object store is compared by its hash there, where nobody has worked out the canonical one. */
function digestOf(result: DistributedTaskResult): string {
  const ref = result['output_ref'] as { sha256?: unknown } | null | undefined
  return typeof ref?.sha256 === 'string' ? `ref:${ref.sha256}` : outputDigest(result.output)
}
