// What is asked about fan-outs that are in flight here; silence means "not mine".
import type { Msg, NatsConnection } from '@nats-io/transport-node'
import type { Branch } from '@poolmesh/core'
import {
  type ExplainReply,
  INTERNAL,
  isId,
  isJsonObject,
  parseJson,
  type TaskStatus,
  type TaskStatusReply,
} from '@poolmesh/types'
import type { Coordinator } from './coordinator.ts'
import type { Parent } from './records.ts'

/** How long the executors have to say which branches run; what nobody says so of is pending. */
const ASK_MS = 150
/** Outstanding branches that are asked about. */
const MAX_ASKED = 64
/** Branches that a status lists; its counts are of all, and a result has them all. */
const MAX_LISTED = 1_000
/** As in every explanation. */
const MAX_CANDIDATES = 50

interface BranchStatus {
  task_id: string
  pool: string
  status: TaskStatus
}

const iso = (ms: number | null): string | null => (ms ? new Date(ms).toISOString() : null)

export function answerForOwn(nc: NatsConnection, coordinator: Coordinator): Disposable {
  const answer = (
    subject: string,
    reply: (parent: Parent, request: Record<string, unknown>) => Promise<unknown> | unknown,
  ) =>
    nc.subscribe(subject, {
      callback: (error, message) => {
        if (!error) void respond(message, coordinator, reply)
      },
    })
  const subscriptions = [
    answer(INTERNAL.askFanOutStatus, async (parent) => statusOf(parent, await runningBranches(nc, parent))),
    answer(INTERNAL.askFanOutExplain, (parent) => explain(parent, coordinator)),
    answer(INTERNAL.askFanOutCancel, (parent, request) =>
      coordinator.cancel(
        parent.task.task_id,
        typeof request['reason'] === 'string' ? request['reason'] : undefined,
      ),
    ),
  ]
  return {
    [Symbol.dispose]() {
      for (const subscription of subscriptions) subscription.unsubscribe()
    },
  }
}

async function respond(
  message: Msg,
  coordinator: Coordinator,
  reply: (parent: Parent, request: Record<string, unknown>) => Promise<unknown> | unknown,
): Promise<void> {
  try {
    const request = parseJson(message.string(), 'the question')
    if (!isJsonObject(request) || !isId(request['task_id'])) return
    const parent = coordinator.parent(request['task_id'])
    const answer = parent && (await reply(parent, request))
    if (answer) message.respond(JSON.stringify(answer))
  } catch {
    // No question, or the connection is gone: nobody waits for longer than a moment.
  }
}

/** A task status with how many `branches` of the fan-out are how, and the first of them. */
function statusOf(
  parent: Parent,
  running: ReadonlySet<string> = new Set(),
): TaskStatusReply & { branch_counts: Record<string, number>; branches: BranchStatus[] } {
  const { run } = parent
  const branches = run?.branches ?? []
  const now = (branch: Branch): TaskStatus =>
    branch.result?.status ?? (running.has(branch.id) ? 'running' : 'pending')
  const counts: Record<string, number> = {}
  for (const branch of branches) counts[now(branch)] = (counts[now(branch)] ?? 0) + 1
  return {
    task_id: parent.task.task_id,
    status: run ? 'running' : 'pending',
    pool_name: null,
    attempt: run ? 1 : 0,
    submitted_at: iso(parent.batch.submittedAt),
    started_at: iso(run?.startedAt ?? null),
    finished_at: null,
    branch_counts: counts,
    branches: branches
      .slice(0, MAX_LISTED)
      .map((branch) => ({ task_id: branch.id, pool: branch.pool, status: now(branch) })),
  }
}

/** Those of the outstanding branches that an executor says it runs. */
async function runningBranches(nc: NatsConnection, parent: Parent): Promise<Set<string>> {
  const running = new Set<string>()
  const outstanding = parent.run?.outstanding().slice(0, MAX_ASKED) ?? []
  await Promise.all(
    outstanding.map(async ({ id }) => {
      const question = JSON.stringify({ task_id: id })
      const answer = await nc.request(INTERNAL.askStatus, question, { timeout: ASK_MS }).catch(() => null)
      if (answer?.json<TaskStatusReply | null>()?.status === 'running') running.add(id)
    }),
  )
  return running
}

function explain(parent: Parent, coordinator: Coordinator): ExplainReply {
  const { task, run } = parent
  const { required_capabilities: required, fan_out } = task
  const settled = run?.branches.filter((branch) => branch.state === 'settled').length ?? 0
  const candidates = (run?.branches ?? []).slice(0, MAX_CANDIDATES).map((branch) => ({
    pool: branch.pool,
    verdict: branch.state === 'idle' ? ('fits' as const) : ('chosen' as const),
    reason:
      branch.state === 'idle'
        ? `its branch waits: max_parallel is ${fan_out.max_parallel}`
        : `its branch ${branch.id} ${branch.result ? `ended ${branch.result.status}` : 'is submitted'}`,
    score: null,
  }))
  return {
    task_id: task.task_id,
    status: run ? 'running' : 'pending',
    strategy: task.routing_strategy,
    chosen: null,
    candidates,
    counts: coordinator.pools.reasons(required),
    waiting_for: run
      ? `${run.branches.length - settled} of ${run.branches.length} branches`
      : waitingFor(parent),
  }
}

function waitingFor(parent: Parent): string | null {
  if (parent.state !== 'waiting') return null
  if (parent.beginAt !== Number.POSITIVE_INFINITY && parent.task.not_before)
    return `its not_before, ${parent.task.not_before}`
  const { required_capabilities: required } = parent.task
  const which = required.length > 0 ? ` with ${required.slice(0, 10).join(', ')}` : ''
  return `a pool${which}: none is registered and healthy`
}
