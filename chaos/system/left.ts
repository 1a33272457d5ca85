// Which of the messages that are still in TASKS have tasks without a result. An acknowledgement that was lost with the
// broker is made up for a minute later: until then a message may be left all of whose tasks have ended.
import { jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { StoredTasks } from '@poolmesh/bus'
import { branchResultSubject, completedSubject, HEADERS, STREAMS } from '@poolmesh/types'

/** More are not looked into: that many are not left by lost acknowledgements alone. */
const LOOKED_INTO = 500

export interface Left {
  messages: number
  /** Of those, how many have tasks without a result. */
  open: number
}

export async function whatIsLeft(nc: NatsConnection, lookInto: boolean): Promise<Left> {
  const jsm = await jetstreamManager(nc, { timeout: 2_000 })
  const { messages } = (await jsm.streams.info(STREAMS.tasks)).state
  if (messages === 0 || messages > LOOKED_INTO || !lookInto) return { messages, open: messages }
  using stored = await StoredTasks.open(nc)
  let open = 0
  for await (const message of await jsm.direct.getBatch(STREAMS.tasks, { seq: 1, batch: LOOKED_INTO })) {
    const [, , , id] = message.subject.split('.')
    const body = message.json<unknown>()
    const branch = message.header?.has(HEADERS.parent) === true
    // On plain task.submitted, or parked: nobody has begun it.
    if (id === undefined || message.subject.startsWith('task.parked')) open++
    else {
      const { results } = await stored.under(branch ? branchResultSubject(id) : completedSubject(id))
      const ended = new Set(results.map((result) => result.task_id)).size
      if (ended < (Array.isArray(body) ? body.length : 1)) open++
    }
  }
  return { messages, open }
}
