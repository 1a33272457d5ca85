// `npm run bench -- gateway [--listeners 5000] [--rate 500] [--seconds 20] [--profile DIR]`: many listen to the gateway while tasks
// are submitted through it. The gateway and the listeners are a process each; the callers share one with everything else.
import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { startEmbedded } from '@poolmesh/up'
import { definePool } from '@poolmesh/worker'
import { startGatewayProcess } from './http/gateway-process.ts'
import { Child } from './processes/child.ts'
import { percentile } from './processes/statistics.ts'

const { values } = parseArgs({
  options: {
    listeners: { type: 'string', default: '5000' },
    rate: { type: 'string', default: '500' },
    seconds: { type: 'string', default: '20' },
    /** The gateway's CPU profile goes there. */
    profile: { type: 'string' },
  },
})
const [listeners, rate, seconds] = [values.listeners, values.rate, values.seconds].map(Number) as [
  number,
  number,
  number,
]
const ALERTS = 20
const TICK_MS = 20

await using owned = new AsyncDisposableStack()
const system = owned.use(await startEmbedded())
const pool = definePool({ name: 'bench', capabilities: ['bench'], maxWorkers: 100, handler: () => ({}) })
owned.use(await pool.start({ nc: system.nc }))
const gateway = owned.use(
  await startGatewayProcess(
    system.url,
    values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`],
  ),
)
const { port, memoryMiB, cpuSeconds } = gateway
const idle = memoryMiB('VmRSS')
const child = await Child.start('gateway listeners', system.url, {
  port,
  count: listeners,
  topics: 'overview,tasks,alerts',
})
owned.use(child)
await sleep(2_000)
process.stdout.write(
  `${listeners} listeners; the gateway has ${memoryMiB('VmRSS')} MiB, ${idle} MiB without them\n`,
)

let [stored, refused, inFlight] = [0, 0, 0]
const latencies: number[] = []
function submit(): void {
  inFlight++
  const began = performance.now()
  const asking = request({
    port,
    path: '/api/v1/tasks',
    method: 'POST',
    headers: { 'content-type': 'application/json' },
  })
  asking.once('response', (response) => {
    response.resume()
    response.once('end', () => {
      inFlight--
      if (response.statusCode === 202) stored++
      else refused++
      latencies.push(performance.now() - began)
    })
  })
  asking.once('error', () => {
    inFlight--
    refused++
  })
  asking.end('{"task_type":"bench","payload":{},"required_capabilities":["bench"]}')
}

const [cpuBefore, before] = [cpuSeconds(), await child.call('heard')]
const began = performance.now()
let [sent, alerts] = [0, 0]
while (performance.now() - began < seconds * 1_000) {
  const elapsed = (performance.now() - began) / 1_000
  while (sent < elapsed * rate) {
    submit()
    sent++
  }
  if (alerts < ALERTS && alerts < (elapsed / seconds) * ALERTS) {
    const event = {
      event_id: `bench-${alerts++}`,
      at: new Date().toISOString(),
      pool: 'bench',
      reason: 'bench',
      previous_status: null,
    }
    await system.nc.request('pool.recovered', JSON.stringify(event), { timeout: 10_000 })
  }
  await sleep(TICK_MS)
}
const took = (performance.now() - began) / 1_000
const [cpu, after] = [cpuSeconds() - cpuBefore, await child.call('heard')]
while (inFlight > 0) await sleep(50)
const stats = async () =>
  (await system.nc.request('executor.stats', '', { timeout: 10_000 })).json<{ completed_tasks: number }>()
for (let tries = 0; tries < 100 && (await stats()).completed_tasks < stored; tries++) await sleep(200)
for (let tries = 0; tries < 100 && (await child.call('heard')).alerts[0] < alerts; tries++) await sleep(100)

const heard = await child.call('heard')
const complete = heard.alerts.every((count) => count === alerts)
const events = after.events - before.events
const ms = (share: number): string => percentile(latencies, share).toFixed(0)
const lines = [
  `${sent} tasks in ${took.toFixed(1)} s: ${stored} stored, ${refused} refused, ${(await stats()).completed_tasks} ended`,
  `answered in ${ms(0.5)} ms (p50), ${ms(0.99)} ms (p99)`,
  `${alerts} alerts: each listener had ${heard.alerts[0]} to ${heard.alerts[1]}; ${heard.resets} resets, ${heard.closed} closed`,
  `${events} events, ${((after.bytes - before.bytes) / 1024 ** 2).toFixed(0)} MiB`,
  `gateway: ${memoryMiB('VmHWM')} MiB at most, ${((cpu / took) * 100).toFixed(0)} % of a core, ${((cpu * 1e6) / events).toFixed(1)} µs an event`,
]
process.stdout.write(`${lines.join('\n')}\n`)
if (refused > 0 || !complete || heard.closed > 0 || (await stats()).completed_tasks !== stored)
  process.exitCode = 1
