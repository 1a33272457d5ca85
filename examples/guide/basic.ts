// A task, the pool that fits, and its result. Then the same by another strategy, a look at it later, and one that is cancelled.
import { createDistributedPoolSystem, RoutingStrategy, TaskStatus } from '@poolmesh/client'
import { definePool } from '@poolmesh/worker'

await using poolmesh = await createDistributedPoolSystem()
const { executor, registry, connection: nc } = poolmesh

const analysts = definePool({
  name: 'analysts',
  capabilities: ['python', 'analysis'],
  maxWorkers: 4,
  region: 'us-east-1',
  handler: (task) => {
    const numbers = task.payload['data'] as number[]
    return { sum: numbers.reduce((sum, number) => sum + number, 0), of: numbers.length }
  },
})
const sleepers = definePool({
  name: 'sleepers',
  capabilities: ['sleep'],
  maxWorkers: 1,
  // What takes long listens to its signal, so that it can be cancelled.
  handler: (_, { signal }) =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
})
await using _analysts = await analysts.start({ nc })
await using _sleepers = await sleepers.start({ nc })

const task = {
  task_type: 'analyze',
  payload: { data: [3, 1, 4, 1, 5, 9] },
  required_capabilities: ['python', 'analysis'],
  metadata: { region: 'us-east-1' },
  timeout: 60,
}
const result = await executor.executeTask(task, RoutingStrategy.LEAST_LOADED)
if (result.status !== TaskStatus.COMPLETED)
  throw new Error(`the task ended ${result.status}: ${result.error}`)
console.log(`${result.pool_name} gave ${JSON.stringify(result.output)}`)

const nearby = await executor.executeTask(task, RoutingStrategy.REGION_AWARE)
console.log(`near ${task.metadata.region}: ${nearby.pool_name}, ${nearby.status}`)

// Its status can be asked for later, by anybody who knows its id.
const { status, attempt } = await executor.getTaskStatus(result.task_id)
console.log(`later: ${status}, in run ${attempt}`)

// Submitted, seen to run, and cancelled.
const endless = executor.submit({ task_type: 'sleep', payload: {}, required_capabilities: ['sleep'] })
for await (const event of endless.events)
  if (event.status === 'running') await endless.cancel('not wanted any more')
console.log(`the endless one: ${(await endless.result()).status}`)

const { total_pools, capabilities } = await registry.getRegistryStats()
console.log(`${total_pools} pools; with python: ${capabilities['python']}`)
