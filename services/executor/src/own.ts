// Other executors' questions about tasks that are held here; silence means "not mine".
import type { Msg, NatsConnection } from '@nats-io/transport-node'
import type { TaskEngine } from '@poolmesh/core'
import { INTERNAL, isId } from '@poolmesh/types'
import type { Held } from './held.ts'
import { explainEntry, statusOfEntry } from './questions.ts'

export function answerForOwn(nc: NatsConnection, _id: string, engine: TaskEngine<Held>): Disposable {
  const answer = (subject: string, reply: (taskId: string, request: Record<string, unknown>) => unknown) =>
    nc.subscribe(subject, {
      callback: (error, message) => {
        if (!error) void respond(message, reply)
      },
    })
  const subscriptions = [
    answer(INTERNAL.askStatus, (taskId) => {
      const entry = engine.find(taskId)
      return entry && entry.state !== 'settled' ? statusOfEntry(entry) : null
    }),
    answer(INTERNAL.askExplain, (taskId) => {
      const entry = engine.find(taskId)
      return entry ? explainEntry(entry, engine.table) : null
    }),
    answer(INTERNAL.askCancel, async (taskId, request) => {
      const reason = typeof request['reason'] === 'string' ? request['reason'] : undefined
      const cancelled = await engine.cancel(taskId, reason)
      return cancelled ? { task_id: taskId, ...cancelled } : null
    }),
  ]
  return {
    [Symbol.dispose]() {
      for (const subscription of subscriptions) subscription.unsubscribe()
    },
  }
}

async function respond(
  message: Msg,
  reply: (taskId: string, request: Record<string, unknown>) => unknown,
): Promise<void> {
  let request: Record<string, unknown>
  try {
    request = message.json()
  } catch {
    return
  }
  const taskId = request?.['task_id']
  if (!isId(taskId)) return
  const answer = await reply(taskId, request)
  if (answer) message.respond(JSON.stringify(answer))
}
