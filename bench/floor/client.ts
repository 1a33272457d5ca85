import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { connect, createInbox, headers, nuid } from '@nats-io/transport-node'
import { offeredLoad } from '../compare/client.ts'
import type { CompareCommands, OfferedLoad } from '../compare/commands.ts'
import type { Started } from '../processes/roles.ts'
import {
  type LatencyJob,
  PAYLOAD_BYTES,
  payloadOf,
  TASK_TYPE,
  type ThroughputJob,
  type ThroughputOutcome,
} from '../scenarios/workload.ts'
import { type FloorResult, listOf } from './topology.ts'

/** Batches that are sent before others get their turn. */
const BURST = 50

export async function startFloorClient(url: string): Promise<Started<CompareCommands>> {
  const nc = await connect({ servers: url, name: 'floor client' })
  /** Tasks without a result. */
  const open = new Map<string, (() => void) | null>()
  let results = 0
  let roomBelow = 0
  let onRoom: (() => void) | null = null
  const told = createInbox()
  const acks = createInbox()
  const h = headers()
  h.set('Poolmesh-Notify', told)
  nc.subscribe(acks, { callback: () => {} })
  nc.subscribe(told, {
    callback: (_, message) => {
      for (const { task_id } of listOf<FloorResult>(message.string())) {
        results++
        open.get(task_id)?.()
        open.delete(task_id)
      }
      if (onRoom && open.size <= roomBelow) {
        onRoom()
        onRoom = null
      }
    },
  })
  await nc.flush()

  const payload = payloadOf(PAYLOAD_BYTES)
  const taskOf = (task_id: string): object => ({
    task_id,
    task_type: TASK_TYPE,
    payload,
    required_capabilities: ['bench'],
    routing_strategy: 'least_loaded',
    timeout: 300,
    priority: 5,
    metadata: {},
  })
  const submit = (id: string, body: object): void =>
    nc.publish(`task.submitted.normal.${id}`, JSON.stringify(body), { reply: acks, headers: h })
  const room = (below: number): Promise<void> => {
    roomBelow = below
    return new Promise((resolve) => {
      onRoom = resolve
    })
  }

  async function throughput(job: ThroughputJob): Promise<ThroughputOutcome> {
    results = 0
    const begun = performance.now()
    for (let sent = 0, batches = 0; sent < job.tasks; batches++) {
      const id = nuid.next()
      const size = Math.min(job.batchSize, job.tasks - sent)
      const tasks: object[] = []
      for (let i = 0; i < size; i++) {
        open.set(`${id}-${i}`, null)
        tasks.push(taskOf(`${id}-${i}`))
      }
      submit(id, tasks)
      sent += size
      if (open.size >= job.window) await room(job.window - job.batchSize)
      else if (batches % BURST === 0) await turn()
    }
    if (open.size > 0) await room(0)
    const seconds = (performance.now() - begun) / 1000
    // Each result has taken its task from those that are open: as many were distinct as tasks there were.
    return { seconds, results, distinct: job.tasks - open.size, completed: results }
  }

  const one = async (): Promise<number> => {
    const id = nuid.next()
    const begun = performance.now()
    await new Promise<void>((resolve) => {
      open.set(id, resolve)
      submit(id, taskOf(id))
    })
    return performance.now() - begun
  }

  /** Into a stream that nobody reads. */
  async function submitOnly({ tasks: count }: { tasks: number }): Promise<number> {
    let acknowledged = 0
    let done = (): void => {}
    const all = new Promise<void>((resolve) => {
      done = resolve
    })
    const inbox = createInbox()
    const batches = Math.ceil(count / 100)
    nc.subscribe(inbox, { callback: () => void (++acknowledged === batches && done()) })
    await nc.flush()
    const begun = performance.now()
    for (let i = 0; i < batches; i++) {
      const id = nuid.next()
      const tasks = Array.from({ length: 100 }, (_, n) => taskOf(`${id}-${n}`))
      nc.publish(`task.unread.${id}`, JSON.stringify(tasks), { reply: inbox, headers: h })
      if (i % BURST === 0) await turn()
    }
    await all
    return (performance.now() - begun) / 1000
  }

  async function latency({ probes, pauseMs }: LatencyJob): Promise<number[]> {
    const took: number[] = []
    for (let i = 0; i < probes; i++) {
      took.push(await one())
      await sleep(pauseMs)
    }
    return took
  }

  const offered = (load: OfferedLoad): Promise<number[]> => offeredLoad(load, one)
  return { commands: { throughput, latency, submitOnly, offered }, stop: () => nc.close() }
}
