// A client as users write it.
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { nuid } from '@nats-io/transport-node'
import { createDistributedPoolSystem, type DistributedTaskInput } from '@poolmesh/client'
import { definePool } from '@poolmesh/worker'
import { offeredLoad } from '../compare/client.ts'
import type { CompareCommands } from '../compare/commands.ts'
import type { Started } from '../processes/roles.ts'
import {
  type LatencyJob,
  PAYLOAD_BYTES,
  payloadOf,
  TASK_TYPE,
  type ThroughputJob,
  type ThroughputOutcome,
} from '../scenarios/workload.ts'

export interface ConcurrentJob {
  tasks: number
  callers: number
}

export interface ProductCommands extends CompareCommands {
  named(job: ThroughputJob): Promise<ThroughputOutcome>
  concurrent(job: ConcurrentJob): Promise<ThroughputOutcome>
  submitAndHold(job: { tasks: number }): Promise<number>
}

export async function startProductClient(
  url: string,
  { capability, payloadBytes = PAYLOAD_BYTES }: { capability: string; payloadBytes?: number },
): Promise<Started<ProductCommands>> {
  const system = await createDistributedPoolSystem({ servers: url, embedded: 'never' })
  const { executor } = system
  const payload = payloadOf(payloadBytes)
  const task = (): DistributedTaskInput => ({
    task_type: TASK_TYPE,
    payload,
    required_capabilities: [capability],
  })
  function* tasks(count: number): Generator<DistributedTaskInput> {
    for (let i = 0; i < count; i++) yield task()
  }

  async function throughput(
    { batchSize, window }: ThroughputJob,
    source: Iterable<DistributedTaskInput>,
  ): Promise<ThroughputOutcome> {
    const ids: string[] = []
    let completed = 0
    const begun = performance.now()
    for await (const result of executor.submitMany(source, { batchSize, window })) {
      ids.push(result.task_id)
      if (result.status === 'completed') completed++
    }
    const seconds = (performance.now() - begun) / 1000
    return { seconds, results: ids.length, distinct: new Set(ids).size, completed }
  }

  async function latency({ probes, pauseMs }: LatencyJob): Promise<number[]> {
    const took: number[] = []
    for (let i = 0; i < probes; i++) {
      took.push(await one())
      await sleep(pauseMs)
    }
    return took
  }

  /** So many at one time, each of which submits a task and waits for its result: packed without their doing. */
  async function concurrent({ tasks: count, callers }: ConcurrentJob): Promise<ThroughputOutcome> {
    const ids = new Set<string>()
    let left = count
    let results = 0
    let completed = 0
    const begun = performance.now()
    const caller = async (): Promise<void> => {
      while (left-- > 0) {
        const result = await executor.submit(task()).result()
        results++
        ids.add(result.task_id)
        if (result.status === 'completed') completed++
      }
    }
    await Promise.all(Array.from({ length: callers }, caller))
    return { seconds: (performance.now() - begun) / 1000, results, distinct: ids.size, completed }
  }

  /** Ids of the caller's own: each task is a message of its own. */
  function* named(count: number): Generator<DistributedTaskInput> {
    const run = nuid.next()
    for (let i = 0; i < count; i++) yield { ...task(), task_id: `${run}_${i}` }
  }

  /** Into the queue of a pool whose one worker is busy until this process ends, where they stay. @returns seconds */
  async function submitAndHold({ tasks: count }: { tasks: number }): Promise<number> {
    const busy = { name: 'busy', capabilities: ['busy'], maxWorkers: 1 }
    const handler = (_: unknown, { signal }: { signal: AbortSignal }): Promise<unknown> =>
      once(signal, 'abort')
    await definePool({ ...busy, handler }).start({ servers: url })
    const waiting: DistributedTaskInput = {
      ...task(),
      required_capabilities: busy.capabilities,
      timeout: 3600,
      queue_timeout: 86_400,
    }
    const begun = performance.now()
    return await new Promise<number>((resolve) => {
      const onProgress = ({ stored }: { stored: number }): void => {
        if (stored === count) resolve((performance.now() - begun) / 1000)
      }
      const options = { batchSize: 100, window: count + 1, onProgress }
      const results = executor.submitMany(Array(count).fill(waiting), options)
      results[Symbol.asyncIterator]()
        .next()
        .catch(() => {})
    })
  }

  const one = async (): Promise<number> => {
    const begun = performance.now()
    const { status, error } = await executor.executeTask(task())
    if (status !== 'completed') throw new Error(`a task ended ${status}: ${error}`)
    return performance.now() - begun
  }

  const commands: ProductCommands = {
    throughput: (job) => throughput(job, tasks(job.tasks)),
    named: (job) => throughput(job, named(job.tasks)),
    concurrent,
    latency,
    submitOnly: submitAndHold,
    submitAndHold,
    offered: (load) => offeredLoad(load, one),
  }
  return { commands, stop: () => system.close() }
}
