// Questions about tasks that are held here, asked by the executors that stand by and by pools. Subscribed to only while
// this executor dispatches: where nobody does, the server says so at once.
import type { Msg, NatsConnection } from '@nats-io/transport-node'
import type { TaskEngine } from '@poolmesh/core'
import { INTERNAL, isId, isJsonObject } from '@poolmesh/types'
import type { Held } from './held.ts'
import { explainEntry, statusOfEntry } from './questions.ts'

/** @param mayAct one that was paused says nothing: another may have its tasks, and answers */
export function answerForOwn(
  nc: NatsConnection,
  engine: TaskEngine<Held>,
  mayAct: () => boolean,
): Disposable {
  const answer = (subject: string, reply: (taskId: string, request: Record<string, unknown>) => unknown) =>
    nc.subscribe(subject, {
      callback: (error, message) => {
        if (!error && mayAct()) void respond(message, reply)
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
    nc.subscribe(INTERNAL.askWanted, {
      callback: (error, message) => {
        if (!error && mayAct()) message.respond(JSON.stringify({ unwanted: unwanted(engine, message) }))
      },
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
  message.respond(JSON.stringify(answer ?? null))
}

/** Which of the runs that a pool says to have are not the current ones of their tasks. */
function unwanted(engine: TaskEngine<Held>, message: Msg): unknown[] {
  let body: unknown
  try {
    body = message.json()
  } catch {
    return []
  }
  // While a predecessor's tasks come in, nobody knows yet.
  if (engine.recovering || !isJsonObject(body) || !Array.isArray(body['runs'])) return []
  const pool = body['pool']
  return body['runs'].filter((run: unknown) => {
    if (!isJsonObject(run) || !isId(run['task_id'])) return false
    const current = engine.find(run['task_id'])?.run
    return current?.pool.name !== pool || current?.attempt !== run['attempt']
  })
}
