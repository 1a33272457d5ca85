// The floor: the batch log of docs/decisions/0001-batch-log.md with bare NATS clients. It stores, runs, stores and tells
// as poolmesh does, and checks nothing, survives nothing, refuses nothing. What poolmesh is compared with.
import { AckPolicy, jetstreamManager, RetentionPolicy } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'

export const floorPool = (i: number): string => `floor-${i}`
/** Tasks in a message between executor and pool. */
export const MAX_TASKS = 200

export async function makeFloorStreams(url: string): Promise<void> {
  const nc = await connect({ servers: url, name: 'floor setup' })
  const jsm = await jetstreamManager(nc)
  await jsm.streams.add({
    name: 'TASKS',
    subjects: ['task.submitted.normal.*'],
    retention: RetentionPolicy.Workqueue,
    allow_direct: true,
  })
  await jsm.streams.add({ name: 'UNREAD', subjects: ['task.unread.*'], retention: RetentionPolicy.Workqueue })
  await jsm.streams.add({
    name: 'RESULTS',
    subjects: ['task.completed.*'],
    allow_direct: true,
    republish: { src: 'task.completed.*', dest: 'task.completed' },
  })
  await jsm.consumers.add('TASKS', {
    durable_name: 'normal',
    ack_policy: AckPolicy.Explicit,
    max_ack_pending: 100_000,
  })
  await nc.close()
}

export interface FloorTask {
  task_id: string
}

export interface FloorResult {
  task_id: string
}

export const listOf = <Item>(text: string): Item[] => {
  const body = JSON.parse(text) as Item | Item[]
  return Array.isArray(body) ? body : [body]
}
