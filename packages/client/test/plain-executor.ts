// The other side of the protocol by hand: takes submissions from the stream, stores results, tells the submitter. It
// runs nothing; what a task's payload says decides how it ends.
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node'
import {
  completedSubject,
  type DistributedTask,
  type DistributedTaskResult,
  HEADERS,
  STREAMS,
  taskIdInBatch,
} from '@poolmesh/types'

interface Taken {
  subject: string
  lane: string
  id: string
  body: unknown
  tasks: DistributedTask[]
  headers: MsgHdrs | undefined
}

export interface PlainExecutorOptions {
  /** False: results are stored, and nobody is told. */
  tell?: boolean
  /** Called before a submission is ended; it may wait. */
  before?: (taken: Taken) => Promise<void> | void
  /** Changes a result before it is stored. */
  finish?: (task: DistributedTask, result: DistributedTaskResult) => DistributedTaskResult
}

export interface PlainExecutor extends AsyncDisposable {
  readonly taken: Taken[]
}

export async function startPlainExecutor(
  nc: NatsConnection,
  options: PlainExecutorOptions = {},
): Promise<PlainExecutor> {
  const jsm = await jetstreamManager(nc)
  // Work queues have one consumer a subject, and those of the topology are for the real executors.
  const { consumers } = jsm
  for await (const { name } of consumers.list(STREAMS.tasks)) await consumers.delete(STREAMS.tasks, name)
  const { name } = await consumers.add(STREAMS.tasks, {
    durable_name: 'plain',
    ack_policy: AckPolicy.Explicit,
    filter_subject: 'task.submitted.*.*',
  })
  const taken: Taken[] = []
  const consumer = await jetstream(nc).consumers.get(STREAMS.tasks, name)
  const messages = await consumer.consume({ max_messages: 1_000 })
  const working = (async () => {
    for await (const message of messages) {
      const [, , lane = '', id = ''] = message.subject.split('.')
      const body: unknown = message.json()
      const tasks = (Array.isArray(body) ? body : [body]).map((task, i) => ({
        task_id: Array.isArray(body) ? taskIdInBatch(id, i) : id,
        ...(task as object),
      })) as DistributedTask[]
      const one: Taken = { subject: message.subject, lane, id, body, tasks, headers: message.headers }
      taken.push(one)
      await options.before?.(one)
      const results = tasks.map((task) => (options.finish ?? ((_, result) => result))(task, resultOf(task)))
      const text = JSON.stringify(Array.isArray(body) ? results : results[0])
      await jetstream(nc).publish(completedSubject(id), text)
      const notify = message.headers?.get(HEADERS.notify)
      if (notify && options.tell !== false) nc.publish(notify, text)
      await message.ackAck()
    }
  })()
  return {
    taken,
    async [Symbol.asyncDispose]() {
      await messages.close()
      await working.catch(() => {})
    },
  }
}

const resultOf = (task: DistributedTask): DistributedTaskResult => ({
  task_id: task.task_id,
  pool_name: 'plain',
  status: 'completed',
  output: { echo: task.payload },
  error: null,
  duration: 0,
  metadata: { attempts: 1, queued_ms: 0 },
})
