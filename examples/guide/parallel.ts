// One task on several pools, and the ways to make one answer of theirs.
import { setTimeout as sleep } from 'node:timers/promises'
import { createDistributedPoolSystem } from '@poolmesh/client'
import { definePool } from '@poolmesh/worker'

await using poolmesh = await createDistributedPoolSystem()
const { distributor, connection: nc } = poolmesh

/** Each adds up numbers; one is slow, one is wrong. */
const adder = (name: string, ms: number, error: number) =>
  definePool({
    name,
    capabilities: ['adding'],
    maxWorkers: 4,
    handler: async (task, { signal }) => {
      await sleep(ms, undefined, { signal })
      return { sum: (task.payload['numbers'] as number[]).reduce((sum, number) => sum + number, error) }
    },
  })
await using _quick = await adder('adders_quick', 5, 0).start({ nc })
await using _slow = await adder('adders_slow', 300, 0).start({ nc })
await using _wrong = await adder('adders_wrong', 50, 1).start({ nc })

const pools = ['adders_quick', 'adders_slow', 'adders_wrong']
const task = { task_type: 'add', payload: { numbers: [1, 2, 3, 4] }, required_capabilities: ['adding'] }

// The fastest success; the others are cancelled.
const first = await distributor.distributeTask(task, { pools, aggregationStrategy: 'first_success' })
console.log(`first_success: ${JSON.stringify(first.parent.output?.['decided_by'])}`)

// All of them, each with its own result.
const all = await distributor.distributeTask(task, { pools, aggregationStrategy: 'all_success' })
for (const { pool_name, status, output } of all)
  console.log(`all_success: ${pool_name} ${status} ${output?.['sum']}`)

// What more than half of them say: the wrong one is outvoted.
const { parent } = await distributor.distributeTask(task, { pools, aggregationStrategy: 'majority' })
console.log(
  `majority: ${JSON.stringify(parent.output?.['value'])} by ${JSON.stringify(parent.output?.['decided_by'])}`,
)

// Every active pool that fits, whatever it is called.
const byPool = await distributor.broadcastTask(task)
const completed = Object.values(byPool).filter(({ status }) => status === 'completed')
console.log(`broadcast: completed on ${completed.length}/${Object.keys(byPool).length} pools`)
