// A submitter as the contract describes it, with nothing of the project's packages: it publishes to `task.submitted`
// with a reply subject, counts the broker's acknowledgements, and listens to `task.completed`.
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { connect, createInbox, nuid } from '@nats-io/transport-node'
import type { Started } from '../processes/roles.ts'
import { PAYLOAD_BYTES, payloadOf, TASK_TYPE } from '../scenarios/workload.ts'

export interface PlainJob {
  tasks: number
  capability: string
  /** Milliseconds without a new result after which the rest counts as lost. */
  patienceMs: number
}

export interface PlainOutcome {
  submitted: number
  acknowledged: number
  /** Results of these tasks that came, whatever their status. */
  results: number
  completed: number
  distinct: number
  /** Results that say a task had more than one run. */
  ranAgain: number
  /** Why, by run. */
  reasons: Record<string, number>
  byPool: Record<string, number>
  /** From the first publish to the last result. */
  seconds: number
  /** From the first publish to the last acknowledgement. */
  ackSeconds: number
}

interface Result {
  task_id: string
  status: string
  pool_name: string | null
  metadata?: { history?: { reason: string }[] }
}

/** Publishes that are sent before others get their turn. */
const BURST = 500

export interface PlainCommands {
  run(job: PlainJob): Promise<PlainOutcome>
  /** Results so far of the run that is under way. */
  progress(): Promise<number>
}

export async function startPlainClient(url: string): Promise<Started<PlainCommands>> {
  const nc = await connect({ servers: url, name: 'plain client' })
  const payload = payloadOf(PAYLOAD_BYTES)
  let distinct = new Set<string>()

  async function run({ tasks, capability, patienceMs }: PlainJob): Promise<PlainOutcome> {
    const prefix = `plain-${nuid.next()}-`
    const acks = createInbox()
    const outcome: PlainOutcome = {
      submitted: 0,
      acknowledged: 0,
      results: 0,
      completed: 0,
      distinct: 0,
      ranAgain: 0,
      reasons: {},
      byPool: {},
      seconds: 0,
      ackSeconds: 0,
    }
    distinct = new Set()
    const begun = performance.now()
    let last = begun
    const acked = nc.subscribe(acks, {
      callback: (_, message) => {
        if (message.json<{ seq?: number }>().seq === undefined) return
        outcome.acknowledged++
        outcome.ackSeconds = (performance.now() - begun) / 1000
      },
    })
    const hear = (result: Result): void => {
      if (!result.task_id.startsWith(prefix)) return
      last = performance.now()
      outcome.results++
      if (result.status === 'completed') outcome.completed++
      const history = result.metadata?.history ?? []
      if (history.length > 0) outcome.ranAgain++
      for (const { reason } of history) outcome.reasons[reason] = (outcome.reasons[reason] ?? 0) + 1
      const pool = result.pool_name ?? 'none'
      outcome.byPool[pool] = (outcome.byPool[pool] ?? 0) + 1
      distinct.add(result.task_id)
    }
    const completed = nc.subscribe('task.completed', {
      callback: (_, message) => {
        const body = message.json<Result | Result[]>()
        if (Array.isArray(body)) for (const result of body) hear(result)
        else hear(body)
      },
    })
    await nc.flush()
    for (let i = 0; i < tasks; i++) {
      const task = {
        task_id: `${prefix}${i}`,
        task_type: TASK_TYPE,
        payload,
        required_capabilities: [capability],
      }
      nc.publish('task.submitted', JSON.stringify(task), { reply: acks })
      outcome.submitted++
      if (i % BURST === BURST - 1) await turn()
    }
    while (distinct.size < tasks && performance.now() - last < patienceMs) await sleep(5)
    // A second result of some task would come soon after the first.
    await sleep(500)
    acked.unsubscribe()
    completed.unsubscribe()
    return { ...outcome, distinct: distinct.size, seconds: (last - begun) / 1000 }
  }

  return { commands: { run, progress: async () => distinct.size }, stop: () => nc.close() }
}
