// What is stored at the end: every message of RESULTS, and every task in it.
import { DeliverPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'

interface Stored {
  task_id: string
  status: string
}

/** @returns the statuses stored for each task: exactly one, if promise 1 holds */
export async function storedResults(nc: NatsConnection): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>()
  const manager = await jetstreamManager(nc)
  const { state } = await manager.streams.info('RESULTS')
  if (state.messages === 0) return found
  const consumer = await jetstream(nc).consumers.get('RESULTS', {
    deliver_policy: DeliverPolicy.All,
  })
  const messages = await consumer.consume()
  for await (const message of messages) {
    for (const { task_id, status } of [message.json<Stored | Stored[]>()].flat())
      found.set(task_id, [...(found.get(task_id) ?? []), status])
    if (message.seq >= state.last_seq) break
  }
  await messages.close()
  return found
}
