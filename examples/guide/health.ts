// A pool behind HTTP goes away and comes back: how that is seen, told, and looked up afterwards.
import { setTimeout as sleep } from 'node:timers/promises'
import { createDistributedPoolSystem, type PoolChange } from '@poolmesh/client'
import { definePool, serveHttp } from '@poolmesh/worker'

// What the pool says for its operator is not what this shows.
process.env['POOLMESH_LOG_LEVEL'] = 'warn'
await using poolmesh = await createDistributedPoolSystem({ healthCheckInterval: 1 })
const { monitor, registry } = poolmesh

const clinic = definePool({ name: 'clinic', maxWorkers: 2, handler: () => ({ ok: true }) })
let server = await serveHttp(clinic, { handleSignals: false })
const { endpoint } = server
await registry.registerPool({ ...clinic.descriptor, pool_type: 'mahavishnu', endpoint })

// The service `health-monitor` checks all pools; start() makes this program hear what it finds.
await monitor.start()
const heard = (event: 'onUnhealthy' | 'onRecovered'): Promise<PoolChange> => {
  const { promise, resolve } = Promise.withResolvers<PoolChange>()
  const listening = monitor[event]((change) => {
    if (change.pool === 'clinic') resolve(change)
  })
  return promise.finally(() => listening[Symbol.dispose]())
}
/** Asks for checks, beside those that are made anyway, until something is heard. */
async function checkedUntil(told: Promise<PoolChange>): Promise<PoolChange> {
  let change: PoolChange | undefined
  void told.then((one) => {
    change = one
  })
  while (!change) {
    await monitor.checkPool('clinic')
    await sleep(100)
  }
  return change
}

console.log(`at first: ${(await monitor.checkPool('clinic')).status}`)

const unhealthy = heard('onUnhealthy')
await server.stop()
console.log(`unhealthy: ${(await checkedUntil(unhealthy)).reason}`)

const recovered = heard('onRecovered')
server = await serveHttp(clinic, { handleSignals: false, port: Number(new URL(endpoint).port) })
const { previous_status } = await checkedUntil(recovered)
console.log(`recovered: it was ${previous_status}`)

const checks = await monitor.getPoolHistory('clinic')
const failed = checks.filter(({ status }) => status !== 'healthy').length
const times = checks.map(({ response_time }) => response_time ?? 0)
console.log(`${checks.length} checks, ${failed} of them failed, at most ${Math.max(...times).toFixed(1)} ms`)

const { pools_monitored, total_health_checks } = await monitor.getMonitorStats()
console.log(`${pools_monitored} pools monitored, ${total_health_checks} checks in all`)
await registry.deregisterPool('clinic')
await monitor.stop()
await server.stop()
