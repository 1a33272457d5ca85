// Fan-outs over pools of the worker package behind HTTP, one after the other.
import type { NatsConnection } from '@nats-io/transport-node'
import { Child } from '../processes/child.ts'
import { ask } from './ask.ts'

const WARM_UP = 50

/** @returns milliseconds of each, from the request to the result of all branches */
export async function fanOuts(
  nc: NatsConnection,
  url: string,
  { pools, count }: { pools: number; count: number },
): Promise<number[]> {
  const names = Array.from({ length: pools }, (_, i) => `fan-out-${i}`)
  await using child = await Child.start('served pools', url, { names, capability: 'fan-out' })
  for (const [name, endpoint] of Object.entries(await child.call('endpoints')))
    await ask(nc, 'pool.register', { name, pool_type: 'mahavishnu', endpoint, capabilities: ['fan-out'] })
  const task = {
    task_type: 'nothing',
    payload: {},
    required_capabilities: ['fan-out'],
    fan_out: { pools: 'all', aggregation: 'all_success', max_parallel: pools },
  }
  const once = async (): Promise<number> => {
    const begun = performance.now()
    const { status, output, error } = await ask<{
      status: string
      error: string | null
      output: { branches: unknown[] } | null
    }>(nc, 'task.distribute', task)
    if (status !== 'completed' || output?.branches.length !== pools)
      throw new Error(`a fan-out over ${output?.branches.length} pools ended ${status}: ${error}`)
    return performance.now() - begun
  }
  for (let i = 0; i < WARM_UP; i++) await once()
  const took: number[] = []
  for (let i = 0; i < count; i++) took.push(await once())
  for (const name of names) await ask(nc, 'pool.deregister', { name })
  return took
}
