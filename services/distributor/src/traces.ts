// Spans of fan-outs and their branches. Where traces are off, nothing of this is loaded.
//
// Ids follow from the fan-out's id, so that a distributor that takes over goes on with the spans that branches were told of.
import { createHash } from 'node:crypto'
import type { Branch } from '@poolmesh/core'
import type { Tracing } from '@poolmesh/tracing'
import type { DistributedTaskResult } from '@poolmesh/types'
import type { Parent } from './records.ts'

type Span = ReturnType<Tracing['start']>

interface FanOutTrace {
  readonly span: Span
  /** Null for those that are over. */
  readonly branches: Map<Branch, Span | null>
}

/** Pools that one attribute names. */
const MAX_LISTED = 100

export class FanOutTraces {
  readonly #tracing: Tracing
  /** What is let go of takes its spans with it. */
  readonly #parents = new WeakMap<Parent, FanOutTrace>()

  constructor(tracing: Tracing) {
    this.#tracing = tracing
  }

  /** The `traceparent` of the branch, whose span begins when it is asked for first. */
  traceparent(parent: Parent, branch: Branch): string {
    const { span, branches } = this.#traceOf(parent)
    const begun = branches.get(branch) ?? this.#begin(span, branch, Date.now())
    branches.set(branch, begun)
    return this.#tracing.traceparentOf(begun)
  }

  /** A branch has its result, whoever started it. */
  branchEnded(parent: Parent, branch: Branch): void {
    const { result } = branch
    const { span: whole, branches } = this.#traceOf(parent)
    if (!result || branches.get(branch) === null) return
    const { submitted_at, reason } = result.metadata
    // Of one that an earlier distributor had begun.
    const before = typeof submitted_at === 'string' ? Date.parse(submitted_at) : Date.now()
    const span = branches.get(branch) ?? this.#begin(whole, branch, before)
    span.setAttribute('poolmesh.status', result.status)
    if (typeof reason === 'string') span.setAttribute('poolmesh.reason', reason)
    // What was not needed any more has not failed.
    const isLoser = result.status === 'cancelled' && parent.run?.decidedAt != null
    if (result.status !== 'completed' && !isLoser) this.#tracing.failed(span, result.error ?? result.status)
    span.end()
    branches.set(branch, null)
  }

  /** Its result is stored, ours or another's. */
  ended(parent: Parent, result: DistributedTaskResult): void {
    const { span, branches } = this.#traceOf(parent)
    const { run } = parent
    const { status, error, metadata } = result
    for (const branch of run?.branches ?? []) {
      const known = branches.get(branch)
      // Those that were over when this distributor took over; what was never begun has no span.
      if (known || (known === undefined && branch.result?.metadata['submitted_at'] !== undefined))
        this.branchEnded(parent, branch)
      // Somebody else ended the whole.
      if (known && !branch.result) known.end()
    }
    const counts = (metadata['branch_counts'] ?? {}) as Record<string, number>
    const decidedBy = run?.decision?.decidedBy.map((index) => run.branches[index]?.pool ?? '') ?? []
    span.setAttributes({
      'poolmesh.status': status,
      'poolmesh.fanout.branches': run?.branches.length ?? 0,
      'poolmesh.fanout.decided_by': decidedBy.slice(0, MAX_LISTED),
      ...Object.fromEntries(
        Object.entries(counts).map(([outcome, count]) => [`poolmesh.fanout.${outcome}`, count]),
      ),
    })
    if (run?.decidedAt != null) span.addEvent('decided', {}, run.decidedAt)
    const reason = metadata['reason']
    if (typeof reason === 'string') span.setAttribute('poolmesh.reason', reason)
    if (status !== 'completed') this.#tracing.failed(span, error ?? status)
    span.end()
    this.#parents.delete(parent)
  }

  #traceOf(parent: Parent): FanOutTrace {
    const before = this.#parents.get(parent)
    if (before) return before
    const { task, batch } = parent
    const { aggregation, quorum, max_parallel } = task.fan_out
    const span = this.#tracing.start('poolmesh.fanout', {
      ids: {
        traceId: digest(task.task_id).slice(0, 32),
        spanId: digest(`${task.task_id} fanout`).slice(0, 16),
      },
      kind: 'consumer',
      startTime: batch.submittedAt,
      parent: this.#tracing.parentOf(task.metadata),
      attributes: {
        'poolmesh.task.id': task.task_id,
        'poolmesh.task.type': task.task_type,
        'poolmesh.priority': task.priority,
        'poolmesh.fanout.aggregation': aggregation,
        'poolmesh.fanout.max_parallel': max_parallel,
        ...(quorum === undefined ? {} : { 'poolmesh.fanout.quorum': quorum }),
      },
    })
    const made: FanOutTrace = { span, branches: new Map() }
    this.#parents.set(parent, made)
    return made
  }

  #begin(parent: Span, branch: Branch, startTime: number): Span {
    return this.#tracing.start('poolmesh.branch', {
      ids: { spanId: digest(`${branch.id} branch`).slice(0, 16) },
      kind: 'producer',
      startTime,
      parent: this.#tracing.within(parent),
      attributes: {
        'poolmesh.task.id': branch.id,
        'poolmesh.branch': branch.index,
        'poolmesh.pool': branch.pool,
      },
    })
  }
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex')
