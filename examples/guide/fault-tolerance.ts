// A pool that is killed while it runs a task, a failure that is tried again, and a run that takes too long.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createDistributedPoolSystem } from '@poolmesh/client'
import { definePool } from '@poolmesh/worker'

await using poolmesh = await createDistributedPoolSystem({ healthCheckInterval: 1 })
const { executor, connection: nc } = poolmesh

// 1. The only pool that fits is a process of its own. It gets the task, and is killed.
const doomed = spawn(process.execPath, [join(import.meta.dirname, 'doomed-pool.ts')], {
  env: { ...process.env, NATS_URL: poolmesh.url },
  stdio: ['ignore', 'ignore', 'inherit'],
})
process.once('exit', () => doomed.kill('SIGKILL'))
const task = executor.submit({ task_type: 'survive', payload: {}, required_capabilities: ['survive'] })
for await (const { status, pool_name } of task.events)
  if (status === 'running' && pool_name === 'doomed') {
    doomed.kill('SIGKILL')
    await once(doomed, 'exit')
    break
  }
console.log('doomed is killed with the task in it')
const survivors = definePool({
  name: 'survivors',
  capabilities: ['survive'],
  maxWorkers: 1,
  handler: (_, { attempt }) => ({ attempt }),
})
await using _survivors = await survivors.start({ nc })
const survived = await task.result()
console.log(`${survived.pool_name} ended it: ${survived.status}, in run ${survived.output?.['attempt']}`)

// 2. A failure that the pool reports is tried again, elsewhere if possible, as often as the task allows.
const flaky = definePool({
  name: 'flaky',
  capabilities: ['luck'],
  maxWorkers: 1,
  handler: (_, { attempt }) => {
    if (attempt < 3) throw new Error(`no luck in run ${attempt}`)
    return { luck: true }
  },
})
await using _flaky = await flaky.start({ nc })
const luck = { task_type: 'luck', payload: {}, required_capabilities: ['luck'] }
const lucky = await executor.executeTask({ ...luck, max_attempts: 3 })
console.log(`with three attempts: ${lucky.status}`)
const unlucky = await executor.executeTask(luck)
console.log(`with one: ${unlucky.status}, ${unlucky.error}`)

// 3. A run that takes longer than the task's timeout ends it; the handler's signal is aborted.
const slow = definePool({
  name: 'slow',
  capabilities: ['patience'],
  maxWorkers: 1,
  handler: (_, { signal }) => sleep(60_000, undefined, { signal }),
})
await using _slow = await slow.start({ nc })
const late = await executor.executeTask({
  task_type: 'wait',
  payload: {},
  required_capabilities: ['patience'],
  timeout: 1,
})
console.log(`too slow: ${late.status}`)
