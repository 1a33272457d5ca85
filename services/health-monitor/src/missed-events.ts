import { DeliverPolicy, jetstream } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { STREAMS, SUBJECTS } from '@poolmesh/types'

/** The ids of the health events that the stream has stored since then, oldest first. */
export async function* storedEventIds(nc: NatsConnection, since: Date): AsyncGenerator<string> {
  const consumer = await jetstream(nc).consumers.get(STREAMS.poolEvents, {
    filter_subjects: [SUBJECTS.poolUnhealthy, SUBJECTS.poolRecovered],
    deliver_policy: DeliverPolicy.StartTime,
    opt_start_time: since.toISOString(),
  })
  let left = (await consumer.info()).num_pending
  if (left === 0) return
  const messages = await consumer.consume()
  try {
    for await (const message of messages) {
      const id = message.headers?.get('Nats-Msg-Id')
      if (id) yield id
      left = message.info.pending
      if (left === 0) return
    }
  } finally {
    await messages.close()
  }
}
