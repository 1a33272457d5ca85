import { AckPolicy, DeliverPolicy, type JetStreamManager } from '@nats-io/jetstream'
import { nanos } from '@nats-io/transport-node'
import { STREAMS } from '@poolmesh/types'
import { NOTHING } from './definitions.ts'

/**
 * Whether anybody subscribes to `subject`, plainly or in the queue group `queue`, without sending there. The server
 * says it of a push consumer's delivery subject (`push_bound`); this one filters for messages that never come.
 */
export async function hasInterest(jsm: JetStreamManager, subject: string, queue: string): Promise<boolean> {
  const bound = async (group?: string): Promise<boolean> => {
    const info = await jsm.consumers.add(STREAMS.poolEvents, {
      deliver_subject: subject,
      ...(group ? { deliver_group: group } : {}),
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.New,
      filter_subject: NOTHING,
      mem_storage: true,
      inactive_threshold: nanos(1_000),
      headers_only: true,
    })
    await jsm.consumers.delete(STREAMS.poolEvents, info.name).catch(() => false)
    return info.push_bound === true
  }
  return (await bound()) || (await bound(queue))
}
