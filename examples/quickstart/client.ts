import { createDistributedPoolSystem } from '@poolmesh/client'

await using poolmesh = await createDistributedPoolSystem()
const task = poolmesh.executor.submit({
  task_type: 'shout',
  payload: { text: 'hello, pools' },
  required_capabilities: ['shout'],
})
const result = await task.result()
console.log(`${result.pool_name}: ${result.output?.['text']}`)
