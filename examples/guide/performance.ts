// Many tasks over several pools: how fast, how even, and which pool is the bottleneck. Give a number of tasks to try more.
import { createDistributedPoolSystem, RoutingStrategy } from '@poolmesh/client'
import { definePool } from '@poolmesh/worker'

const count = Number(process.argv[2] ?? 5_000)
await using poolmesh = await createDistributedPoolSystem()
const { executor, registry, connection: nc } = poolmesh

await using pools = new AsyncDisposableStack()
for (const [name, maxWorkers] of [
  ['small', 4],
  ['medium', 8],
  ['large', 16],
] as const)
  pools.use(
    await definePool({ name, capabilities: ['hash'], maxWorkers, handler: ({ payload }) => payload }).start({
      nc,
    }),
  )

function* tasks(strategy: RoutingStrategy) {
  for (let i = 0; i < count; i++)
    yield { task_type: 'hash', payload: { i }, required_capabilities: ['hash'], routing_strategy: strategy }
}

for (const strategy of [RoutingStrategy.LEAST_LOADED, RoutingStrategy.ROUND_ROBIN]) {
  const byPool = new Map<string, number>()
  const begun = performance.now()
  // A stream: no more in hand than the window, so a million tasks take no more memory than these.
  for await (const { pool_name, status } of executor.submitMany(tasks(strategy))) {
    if (status !== 'completed') throw new Error(`a task ended ${status}`)
    byPool.set(pool_name ?? '', (byPool.get(pool_name ?? '') ?? 0) + 1)
  }
  const rate = count / ((performance.now() - begun) / 1000)
  const shares = [...byPool].sort().map(([name, n]) => `${name} ${((100 * n) / count).toFixed(0)} %`)
  console.log(`${strategy}: ${count} tasks, ${rate.toFixed(0)} a second: ${shares.join(', ')}`)
}

// One at a time: what a task costs when nothing else is there.
const times: number[] = []
for (const task of tasks(RoutingStrategy.LEAST_LOADED)) {
  if (times.length === 200) break
  const begun = performance.now()
  await executor.executeTask(task)
  times.push(performance.now() - begun)
}
times.sort((a, b) => a - b)
const at = (share: number): string => (times[Math.floor(share * (times.length - 1))] ?? 0).toFixed(2)
console.log(`alone, submit to result: median ${at(0.5)} ms, p99 ${at(0.99)} ms`)

for (const { name, load_factor, utilization } of await registry.findPoolsByCapability('hash'))
  console.log(
    `${name}: load factor ${load_factor.toFixed(2)}, ${utilization}${load_factor > 0.8 ? ', overloaded' : ''}`,
  )
const { task_status_breakdown } = await executor.getExecutorStats()
console.log(`completed so far: ${task_status_breakdown['completed']}`)
