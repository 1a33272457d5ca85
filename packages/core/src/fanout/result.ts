// The one result of a fan-out: `output = {aggregation, decided_by, value, branches}`.
import type { DistributedTaskResult, ErrorCode, TerminalStatus } from '@poolmesh/types'
import type { Branch, FanOutRun, FanOutTask } from './run.ts'

/** Branches that an error text names; the others are counted. */
const NAMED = 5
const MAX_BRANCH_ERROR = 200
/** Above this the ids are left to `output.branches`, since the metadata always travels in the message itself. */
const MAX_LISTED_IDS = 1_000

const iso = (ms: number): string => new Date(ms).toISOString()

/** The result of a closed run. @param now milliseconds since the epoch */
export function resultOf(run: FanOutRun, now: number): DistributedTaskResult {
  const { task, decision } = run
  const cancelled = run.cancelledBecause !== null
  const status: TerminalStatus = cancelled ? 'cancelled' : (decision?.status ?? 'failed')
  const reason: ErrorCode | null = cancelled ? 'CANCELLED' : (decision?.reason ?? null)
  const winner = !cancelled && decision?.winner != null ? withOutput(run, decision.decidedBy) : null
  const startedAt = run.startedAt ?? run.decidedAt ?? now
  return {
    task_id: task.task_id,
    // One pool's doing only where the first success is the result.
    pool_name: winner && task.fan_out.aggregation === 'first_success' ? winner.pool : null,
    status,
    output: {
      aggregation: task.fan_out.aggregation,
      decided_by: cancelled ? [] : (decision?.decidedBy ?? []).map((index) => run.branches[index]?.pool),
      value: winner?.result?.output ?? null,
      ...(winner?.result?.['output_ref'] ? { value_ref: winner.result['output_ref'] } : {}),
      branches: run.branches.map((branch) => branch.result),
    },
    error: status === 'completed' ? null : cancelled ? cancelText(run) : failText(run),
    duration: run.startedAt === null ? 0 : Math.max(0, (run.decidedAt ?? now) - run.startedAt) / 1000,
    metadata: {
      attempts: run.startedAt === null ? 0 : 1,
      queued_ms: Math.max(0, Math.round(startedAt - run.submittedAt)),
      submitted_at: iso(run.submittedAt),
      ...(run.startedAt === null ? {} : { started_at: iso(run.startedAt) }),
      ...(reason ? { reason } : {}),
      ...(run.branches.length <= MAX_LISTED_IDS ? { branch_ids: run.branches.map(({ id }) => id) } : {}),
      branch_counts: countByStatus(run.branches),
    },
  }
}

/** A fan-out that ended before it had branches: cancelled, or no pool came in time. */
export function resultWithoutBranches(
  task: FanOutTask,
  ending: { status: TerminalStatus; reason: ErrorCode; error: string },
  submittedAt: number,
  now: number,
): DistributedTaskResult {
  return {
    task_id: task.task_id,
    pool_name: null,
    status: ending.status,
    output: { aggregation: task.fan_out.aggregation, decided_by: [], value: null, branches: [] },
    error: ending.error,
    duration: 0,
    metadata: {
      attempts: 0,
      queued_ms: Math.max(0, Math.round(now - submittedAt)),
      submitted_at: iso(submittedAt),
      reason: ending.reason,
      branch_ids: [],
      branch_counts: {},
    },
  }
}

/** The first of those that agree whose output was not left out for its size. */
function withOutput(run: FanOutRun, agreeing: number[]): Branch | null {
  const branches = agreeing.map((index) => run.branches[index] as Branch)
  return branches.find((branch) => branch.result?.metadata['output_omitted'] !== true) ?? branches[0] ?? null
}

function countByStatus(branches: readonly Branch[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { result } of branches) if (result) counts[result.status] = (counts[result.status] ?? 0) + 1
  return counts
}

const cancelText = (run: FanOutRun): string =>
  run.cancelledBecause ? `cancelled: ${run.cancelledBecause}` : 'cancelled'

function failText(run: FanOutRun): string {
  const { tally, branches } = run
  const total = branches.length
  const of = `of ${total} ${total === 1 ? 'branch' : 'branches'}`
  switch (run.task.fan_out.aggregation) {
    case 'first_success':
    case 'all_success':
      return `${tally.failures} ${of} failed${named(run)}`
    case 'majority':
      return `no output was given by more than half ${of}: ${tally.successes} succeeded with ${tally.outputs} different ${tally.outputs === 1 ? 'output' : 'outputs'}, ${tally.failures} failed${named(run)}`
    case 'quorum':
      return tally.needed > total
        ? `the quorum is ${tally.needed}, but there are only ${total} pools that fit`
        : `${tally.failures} ${of} failed, so the quorum of ${tally.needed} cannot be reached${named(run)}`
  }
}

/** `: a: boom; b: no answer; 3 more`, of the branches that failed by themselves. */
function named(run: FanOutRun): string {
  const failed = run.branches.filter(
    ({ result }) => result && result.status !== 'completed' && result.metadata['reason'] !== 'CANCELLED',
  )
  if (failed.length === 0) return ''
  const texts = failed.slice(0, NAMED).map(({ pool, result }) => {
    const text = result?.error || String(result?.metadata['reason'] ?? result?.status)
    return `${pool}: ${text.slice(0, MAX_BRANCH_ERROR)}`
  })
  if (failed.length > NAMED) texts.push(`${failed.length - NAMED} more`)
  return `: ${texts.join('; ')}`
}
