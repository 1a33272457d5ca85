import { connect, type NatsConnection } from '@nats-io/transport-node'
import type { Started } from '../processes/roles.ts'
import { type FloorResult, type FloorTask, floorPool, listOf, MAX_TASKS } from './topology.ts'

const handler = async (_task: FloorTask): Promise<object> => ({ ok: true })

export async function startFloorPools(
  url: string,
  { pools }: { pools: number },
): Promise<Started<Record<never, never>>> {
  const nc = await connect({ servers: url, name: 'floor pools' })
  for (let i = 0; i < pools; i++) listen(nc, floorPool(i))
  await nc.flush()
  return { commands: {}, stop: () => nc.close() }
}

/** Answers for the same reply subject that are ready in one tick go together. */
function listen(nc: NatsConnection, name: string): void {
  let ready = new Map<string, FloorResult[]>()
  const send = (): void => {
    const all = ready
    ready = new Map()
    for (const [reply, results] of all)
      for (let from = 0; from < results.length; from += MAX_TASKS)
        nc.publish(reply, JSON.stringify(results.slice(from, from + MAX_TASKS)))
  }
  const answer = (reply: string, result: FloorResult): void => {
    if (ready.size === 0) setImmediate(send)
    const results = ready.get(reply)
    if (results) results.push(result)
    else ready.set(reply, [result])
  }
  nc.subscribe(`pool.work.${name}`, {
    callback: (_, message) => {
      const { reply = '' } = message
      for (const task of listOf<FloorTask>(message.string()))
        void handler(task).then((output) => answer(reply, resultOf(task, name, output)))
    },
  })
}

const resultOf = ({ task_id }: FloorTask, pool_name: string, output: object): FloorResult => {
  const result = {
    task_id,
    pool_name,
    status: 'completed',
    output,
    error: null,
    duration: 0.0001,
    metadata: {},
  }
  return result
}
