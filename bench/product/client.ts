// A client as users write it.
import { setTimeout as sleep } from 'node:timers/promises'
import { createDistributedPoolSystem, type DistributedTaskInput } from '@poolmesh/client'
import type { Started } from '../processes/roles.ts'
import {
  type ClientCommands,
  type LatencyJob,
  PAYLOAD_BYTES,
  payloadOf,
  TASK_TYPE,
  type ThroughputJob,
  type ThroughputOutcome,
} from '../scenarios/workload.ts'

export async function startProductClient(
  url: string,
  { capability }: { capability: string },
): Promise<Started<ClientCommands>> {
  const system = await createDistributedPoolSystem({ servers: url, embedded: 'never' })
  const { executor } = system
  const payload = payloadOf(PAYLOAD_BYTES)
  const task = (): DistributedTaskInput => ({
    task_type: TASK_TYPE,
    payload,
    required_capabilities: [capability],
  })
  function* tasks(count: number): Generator<DistributedTaskInput> {
    for (let i = 0; i < count; i++) yield task()
  }

  async function throughput({ tasks: count, batchSize, window }: ThroughputJob): Promise<ThroughputOutcome> {
    const ids: string[] = []
    let completed = 0
    const begun = performance.now()
    for await (const result of executor.submitMany(tasks(count), { batchSize, window })) {
      ids.push(result.task_id)
      if (result.status === 'completed') completed++
    }
    const seconds = (performance.now() - begun) / 1000
    return { seconds, results: ids.length, distinct: new Set(ids).size, completed }
  }

  async function latency({ probes, pauseMs }: LatencyJob): Promise<number[]> {
    const took: number[] = []
    for (let i = 0; i < probes; i++) {
      const begun = performance.now()
      const { status, error } = await executor.executeTask(task())
      took.push(performance.now() - begun)
      if (status !== 'completed') throw new Error(`a probe ended ${status}: ${error}`)
      await sleep(pauseMs)
    }
    return took
  }

  return { commands: { throughput, latency }, stop: () => system.close() }
}
