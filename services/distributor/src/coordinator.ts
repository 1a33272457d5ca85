// The parents in flight, from the message that means ownership to the stored result. Which branch is started, when the
// whole is decided and what its result is, core's FanOutRun says; this carries it out.
import type { ClaimCheck, StoredTasks } from '@poolmesh/bus'
import { isPayloadRef } from '@poolmesh/bus'
import {
  type Branch,
  type EndedBranch,
  FanOutPools,
  FanOutRun,
  outputDigest,
  resultOf,
  resultWithoutBranches,
} from '@poolmesh/core'
import {
  type CancelReply,
  type DistributedTaskResult,
  laneOf,
  MAX_FAN_OUT_POOLS,
  PoolmeshError,
  type TerminalStatus,
} from '@poolmesh/types'
import type { Logger } from 'pino'
import type { Branches, Submission } from './branches.ts'
import type { BranchLookup } from './lookup.ts'
import type { Batch, Parent } from './records.ts'
import type { Storage } from './storage.ts'
import type { FanOutTraces } from './traces.ts'
import { WaitingParents } from './waiting.ts'

/** How long the outcomes of cancelled losers are waited for; they take milliseconds where an executor is alive. */
const LOSERS_MS = 2_000
/** The same for a parent that is cancelled: whoever asks for that waits for the answer, and not for long. */
const CANCEL_MS = 200
/** Until what failed to be sent or read is tried again. */
const RETRY_MS = 500
/** A branch of which nothing is heard is looked up, ever more rarely: notes get lost only with a connection. */
const POLL_MS = 2_000
const MAX_POLL_MS = 15_000
/** Branch outputs in one result, below what the object store takes, since the value is in it twice. */
const MAX_OUTPUT_BYTES = 24 * 1024 ** 2
/** Parents that wait for a pool in memory; those beyond wait in the stream and are looked at again after a while. */
const MAX_WAITING = 10_000
const MAX_AWAY_MS = 30_000
/** Losers of one parent that are ended at one time. */
const MAX_WRITES = 500
/** What a branch takes in memory without its output, roughly. */
const BRANCH_BYTES = 1_024

export interface CoordinatorParts {
  branches: Branches
  lookup: BranchLookup
  stored: StoredTasks
  storage: () => Storage
  claims: ClaimCheck
  /** Null where traces are off. */
  traces: FanOutTraces | null
  log: Logger
  /** There may be room for more. */
  onRoom(): void
}

export class Coordinator {
  readonly pools = new FanOutPools()
  readonly batches = new Map<string, Batch>()
  readonly #parents = new Map<string, Parent>()
  readonly #waiting = new WaitingParents()
  readonly #parts: CoordinatorParts
  /** What the batches in flight take in memory, roughly. */
  bytes = 0
  #stopped = false

  constructor(parts: CoordinatorParts) {
    this.#parts = parts
  }

  /** Parents that have begun. */
  get active(): number {
    return this.#parents.size - this.#waiting.size
  }

  get waiting(): number {
    return this.#waiting.size
  }

  parent(taskId: string): Parent | undefined {
    return this.#parents.get(taskId)
  }

  /** Takes over a batch; `parents` are those of its tasks that have no stored result, `failed` what is no fan-out. */
  accept(batch: Batch, parents: Parent[], failed: DistributedTaskResult[]): void {
    this.batches.set(batch.id, batch)
    this.bytes += batch.bytes
    batch.open = parents.length + failed.length
    batch.ready.push(...failed)
    for (const parent of parents) this.#parents.set(parent.task.task_id, parent)
    for (const parent of parents) this.#take(parent)
    if (failed.length > 0) this.#parts.storage().write(batch)
    if (batch.open === 0) this.#close(batch)
  }

  #take(parent: Parent): void {
    const now = Date.now()
    const notBefore = parent.task.not_before ? Date.parse(parent.task.not_before) : 0
    if (notBefore > now) this.#waiting.add(parent, notBefore)
    else if (parent.deadline <= now && !parent.batch.takenOver) this.#expire(parent)
    else void this.#begin(parent)
  }

  // --- beginning

  async #begin(parent: Parent): Promise<void> {
    parent.state = 'beginning'
    try {
      const plan = this.#planOf(parent)
      // Named pools of a new parent need no look at the streams: it begins at once.
      const { pools, begun } = plan ?? (await this.#layDown(parent))
      if (parent.state !== 'beginning' || this.#stopped) return
      if (pools === null) return
      const run = new FanOutRun(parent.task, {
        pools,
        submittedAt: parent.batch.submittedAt,
        maxOutputBytes: MAX_OUTPUT_BYTES,
      })
      parent.print = this.#parts.branches.printer(parent)
      // From here on, what is told of its branches counts.
      parent.run = run
      if (begun) await this.#recover(parent, run)
      if (parent.state !== 'beginning' || this.#stopped) return
      parent.state = 'running'
      if (parent.cancelReason !== null) run.cancel(parent.cancelReason, Date.now())
      this.#account(parent.batch, pools.length * BRANCH_BYTES + run.outputBytes)
      this.#heard(parent)
      this.#advance(parent)
    } catch (error) {
      if (this.#stopped || parent.state !== 'beginning') return
      if (error instanceof PoolmeshError && error.code === 'INVALID_INPUT') {
        this.#endWithout(parent, 'failed', error.code, error.message)
        return
      }
      this.#parts.log.warn(
        { err: error, task_id: parent.task.task_id },
        'a fan-out could not begin, trying again',
      )
      this.#waiting.add(parent, Date.now() + RETRY_MS)
    }
  }

  /** Pools that are named by the task are the same for whoever takes it over. */
  #planOf(parent: Parent): { pools: string[]; begun: boolean } | null {
    const { pools } = parent.task.fan_out
    return pools === 'all' ? null : { pools: [...new Set(pools)], begun: parent.batch.takenOver }
  }

  /** Which pools `all` means; null where none fits now, and the parent waits. */
  async #layDown(parent: Parent): Promise<{ pools: string[] | null; begun: boolean }> {
    const { task_id, required_capabilities } = parent.task
    if (parent.batch.takenOver) {
      const pools = await this.#parts.lookup.plan(task_id)
      if (pools) return { pools, begun: true }
    }
    const fitting = this.pools.fitting(required_capabilities)
    if (fitting.length > MAX_FAN_OUT_POOLS)
      throw new PoolmeshError(
        'INVALID_INPUT',
        `${fitting.length} pools fit, and a fan-out may have ${MAX_FAN_OUT_POOLS}: ask for more capabilities, or name the pools`,
      )
    if (fitting.length === 0) {
      this.#wait(parent)
      return { pools: null, begun: false }
    }
    const plan = await this.#parts.lookup.layDown(task_id, fitting)
    if (!plan) throw new PoolmeshError('UNAVAILABLE', 'the list of pools could not be stored')
    return { pools: plan.pools, begun: !plan.mine }
  }

  /** For a pool: in memory as long as there is room, else in the stream. */
  #wait(parent: Parent): void {
    const { batch } = parent
    if (parent.state !== 'beginning') return
    if (parent.cancelReason !== null) this.#endCancelled(parent, parent.cancelReason)
    else if (this.#waiting.size < MAX_WAITING || !batch.alone)
      this.#waiting.add(parent, Number.POSITIVE_INFINITY)
    else {
      parent.state = 'stored'
      this.#parents.delete(parent.task.task_id)
      this.batches.delete(batch.id)
      this.bytes -= batch.bytes
      const pause = Math.min(MAX_AWAY_MS, 1_000 * 2 ** Math.min(10, batch.message.deliveries))
      batch.message.nak(Math.max(RETRY_MS, Math.min(pause, parent.deadline - Date.now())))
      this.#parts.onRoom()
    }
  }

  /** Finds what was started before: pending first, since what ends in between is found among the results then. */
  async #recover(parent: Parent, run: FanOutRun): Promise<void> {
    const ids = run.branches.map((branch) => branch.id)
    run.recover()
    const pending = await this.#parts.lookup.pending(ids, laneOf(parent.task.priority))
    const ended: EndedBranch[] = []
    await this.#parts.lookup.results(ids, (found) => ended.push(found))
    for (const branch of ended) branch.digest = await this.#digest(parent, branch.result)
    run.recovered(pending, ended, Date.now())
  }

  // --- running

  #advance(parent: Parent): void {
    const { run } = parent
    if (!run || parent.state !== 'running') return
    const now = Date.now()
    for (const branch of run.start(now)) this.#submit(parent, branch)
    if (run.phase === 'closing' && parent.closeBy === 0) {
      const cancelled = run.cancelledBecause !== null
      parent.closeBy = now + (cancelled ? CANCEL_MS : LOSERS_MS)
      parent.unsent.clear()
      const why = cancelled ? run.cancelledBecause || 'the fan-out was cancelled' : 'the fan-out is decided'
      for (const branch of run.outstanding()) this.#parts.branches.cancel(branch, why)
    }
    if (run.phase === 'closed') this.#end(parent, resultOf(run, now))
  }

  #submit(parent: Parent, branch: Branch): void {
    this.#parts.branches.submit(parent, branch, (submission) => this.#submitted(parent, branch, submission))
  }

  #submitted(parent: Parent, branch: Branch, submission: Submission): void {
    const { run } = parent
    if (!run || parent.state !== 'running' || branch.state !== 'submitted') return
    const now = Date.now()
    if (submission === 'taken') parent.unsent.delete(branch)
    else if (submission === 'too_large') {
      const error = 'with what a branch carries, the task is larger than a message may be'
      this.#settle(parent, run.endedBranch(branch, 'failed', 'PAYLOAD_TOO_LARGE', error), 0)
    } else if (run.phase === 'open') {
      const since = parent.unsent.get(branch)?.since ?? now
      parent.unsent.set(branch, { since, at: now + RETRY_MS })
    }
  }

  /** Results of branches, as they are told by whoever stored them. */
  told(parentId: string, results: DistributedTaskResult[], bytes: number): void {
    const parent = this.#parents.get(parentId)
    if (!parent?.run) return
    for (const result of results) {
      const branch = parent.run.branch(result.task_id)
      if (!branch || branch.state === 'settled') continue
      if (isLargeVote(parent, result))
        void this.#digest(parent, result).then((digest) => this.#settle(parent, result, 0, digest))
      else this.#settle(parent, result, bytes / results.length)
    }
  }

  #settle(parent: Parent, result: DistributedTaskResult, bytes: number, digest?: string): void {
    const { run } = parent
    if (!run || (parent.state !== 'running' && parent.state !== 'beginning')) return
    const before = run.outputBytes
    const news = run.settle(result, Date.now(), bytes, digest)
    this.#account(parent.batch, run.outputBytes - before)
    if (!news) return
    const branch = run.branch(result.task_id)
    if (branch) this.#parts.traces?.branchEnded(parent, branch)
    this.#heard(parent)
    this.#advance(parent)
  }

  /** Large outputs are compared by what they hold, like all others, and not by how they are printed. */
  async #digest(parent: Parent, result: DistributedTaskResult): Promise<string | undefined> {
    const ref = result['output_ref']
    if (!isLargeVote(parent, result) || !isPayloadRef(ref)) return undefined
    try {
      return outputDigest(await this.#parts.claims.get(ref))
    } catch (error) {
      this.#parts.log.warn(
        { err: error, task_id: result.task_id },
        'an output could not be read to compare it',
      )
      return undefined
    }
  }

  #heard(parent: Parent): void {
    parent.pollPause = POLL_MS
    parent.pollAt = Date.now() + POLL_MS
  }

  #account(batch: Batch, bytes: number): void {
    batch.bytes += bytes
    this.bytes += bytes
  }

  // --- time

  /** Four times a second or so. @param now ms since the epoch */
  tick(now: number): void {
    const { begin, expired } = this.#waiting.due(now)
    for (const parent of expired) this.#expire(parent)
    for (const parent of begin) void this.#begin(parent)
    for (const parent of this.#parents.values()) if (parent.state === 'running') this.#watch(parent, now)
  }

  #watch(parent: Parent, now: number): void {
    const run = parent.run as FanOutRun
    for (const [branch, { since, at }] of parent.unsent) {
      if (branch.state !== 'submitted') parent.unsent.delete(branch)
      else if (now - since > parent.task.queue_timeout * 1_000) {
        parent.unsent.delete(branch)
        const error = `the branch could not be submitted within ${parent.task.queue_timeout} s`
        this.#settle(parent, run.endedBranch(branch, 'timeout', 'QUEUE_TIMEOUT', error), 0)
      } else if (at <= now) {
        // Not again before there is an answer.
        parent.unsent.set(branch, { since, at: Number.POSITIVE_INFINITY })
        this.#submit(parent, branch)
      }
    }
    if (parent.busy || parent.state !== 'running') return
    if (run.phase === 'closing' && parent.closeBy <= now)
      this.#alone(parent, () => this.#endLosers(parent, run))
    else if (parent.pollAt <= now) {
      parent.pollPause = Math.min(MAX_POLL_MS, parent.pollPause * 2)
      parent.pollAt = now + parent.pollPause
      this.#alone(parent, () => this.#poll(parent, run))
    }
  }

  /** One look or write of a parent at a time; what fails is tried again. */
  #alone(parent: Parent, work: () => Promise<void>): void {
    parent.busy = true
    work()
      .catch((error: unknown) => {
        parent.closeBy += RETRY_MS
        if (!this.#stopped)
          this.#parts.log.warn({ err: error, task_id: parent.task.task_id }, 'branches cannot be reached now')
      })
      .finally(() => {
        parent.busy = false
      })
  }

  /** Pending first, as in recover. What is neither pending nor stored is lost with the server's last writes: once more. */
  async #poll(parent: Parent, run: FanOutRun): Promise<void> {
    const ids = run.outstanding().map((branch) => branch.id)
    if (ids.length === 0) return
    const pending = await this.#parts.lookup.pending(ids, laneOf(parent.task.priority))
    await this.#parts.lookup.results(ids, ({ result, bytes }) =>
      this.told(parent.task.task_id, [result], bytes),
    )
    if (parent.state !== 'running' || run.phase !== 'open') return
    for (const branch of run.outstanding())
      if (ids.includes(branch.id) && !pending.has(branch.id) && !parent.unsent.has(branch))
        this.#submit(parent, branch)
  }

  /** The losers' outcomes did not come: they are written, unless they were after all. */
  async #endLosers(parent: Parent, run: FanOutRun): Promise<void> {
    parent.closeBy = Date.now() + RETRY_MS
    const losers = run.outstanding().slice(0, MAX_WRITES)
    await Promise.all(
      losers.map(async (branch) => {
        const result = await this.#parts.branches.end(branch, run.cancelledBranch(branch))
        if (result && !this.#stopped) this.#settle(parent, result, 0)
      }),
    )
    if (losers.length === MAX_WRITES) parent.closeBy = 0 // more at the next tick
  }

  /**
   * After a reconnect: notes may have been lost. And a server that was restarted may have lost its last messages and given
   * their sequences to others, so nothing is said of messages from before: those that are there come again.
   */
  lookAround(): void {
    for (const batch of this.batches.values()) batch.isGone = true
    for (const parent of this.#parents.values()) parent.pollAt = 0
  }

  /** A pool came, or came back. */
  poolChanged(name: string): void {
    for (const parent of this.#waiting.fittedBy(name, this.pools)) void this.#begin(parent)
  }

  // --- ending

  #expire(parent: Parent): void {
    const { queue_timeout, required_capabilities } = parent.task
    const which =
      required_capabilities.length > 0 ? ` with ${required_capabilities.slice(0, 10).join(', ')}` : ''
    const error = `no pool${which} was there for the fan-out within ${queue_timeout} s`
    this.#endWithout(parent, 'timeout', 'QUEUE_TIMEOUT', error)
  }

  #endWithout(
    parent: Parent,
    status: TerminalStatus,
    reason: 'QUEUE_TIMEOUT' | 'CANCELLED' | 'INVALID_INPUT',
    error: string,
  ): void {
    const { task, batch } = parent
    this.#end(parent, resultWithoutBranches(task, { status, reason, error }, batch.submittedAt, Date.now()))
  }

  #endCancelled(parent: Parent, reason: string | undefined): void {
    this.#endWithout(parent, 'cancelled', 'CANCELLED', reason ? `cancelled: ${reason}` : 'cancelled')
  }

  #end(parent: Parent, result: DistributedTaskResult): void {
    parent.state = 'ended'
    parent.batch.ready.push(result)
    this.#parts.storage().write(parent.batch)
  }

  /** A result is stored for the batch, ours or another's: that one stands. */
  stored(batch: Batch, result: DistributedTaskResult): void {
    const parent = this.#parents.get(result.task_id)
    if (parent && parent.batch === batch) {
      this.#parts.traces?.ended(parent, result)
      this.#forget(parent)
    } else if (parent || !batch.failed.delete(result.task_id)) return
    batch.open--
    this.#parts.log.info(
      { task_id: result.task_id, pool_name: result.pool_name, status: result.status },
      'fan-out ended',
    )
    for (const listener of parent?.onStored.splice(0) ?? []) listener(result)
    if (batch.open === 0) this.#close(batch)
  }

  #forget(parent: Parent): void {
    this.#parents.delete(parent.task.task_id)
    if (parent.state === 'waiting') this.#waiting.remove(parent)
    // Somebody else ended it: what it started is not needed any more.
    if (parent.state === 'running')
      for (const branch of parent.run?.outstanding() ?? [])
        this.#parts.branches.cancel(branch, 'the fan-out has ended')
    parent.state = 'stored'
  }

  #close(batch: Batch): void {
    if (!this.batches.delete(batch.id)) return
    this.bytes -= batch.bytes
    if (!batch.isGone) batch.message.ack()
    for (const other of batch.others) other.ack()
    this.#parts.onRoom()
  }

  /** Ends a parent and its branches. @returns the reply once its result is stored; null: not in flight here */
  cancel(taskId: string, reason: string | undefined): Promise<CancelReply> | null {
    const parent = this.#parents.get(taskId)
    if (!parent) return null
    let mine = false
    if (parent.state === 'waiting') {
      mine = true
      this.#waiting.remove(parent)
      this.#endCancelled(parent, reason)
    } else if (parent.state === 'beginning') {
      // What was started before is not known yet, and has to be cancelled too.
      mine = true
      parent.cancelReason ??= reason ?? ''
    } else if (parent.run?.cancel(reason, Date.now())) {
      mine = true
      this.#advance(parent)
    }
    return new Promise((resolve) => {
      parent.onStored.push(({ status }) =>
        resolve({ task_id: taskId, cancelled: mine && status === 'cancelled', status }),
      )
    })
  }

  /** Keeps what is in flight from being given to others. */
  keep(): void {
    for (const { message, isGone } of this.batches.values()) if (!isGone) message.working()
  }

  /** Hands everything back: another distributor goes on where this one was. */
  stop(): void {
    this.#stopped = true
    for (const { message, others, isGone } of this.batches.values())
      for (const one of isGone ? others : [message, ...others]) one.nak()
    this.batches.clear()
    this.#parents.clear()
  }
}

/** Whether its output counts in a vote, and is not in the result itself. */
const isLargeVote = (parent: Parent, result: DistributedTaskResult): boolean =>
  parent.task.fan_out.aggregation === 'majority' &&
  result.status === 'completed' &&
  result['output_ref'] != null
