// `npm run bench -- gateway [--listeners 5000] [--rate 500] [--seconds 20]`: many listen to the gateway while tasks are submitted
// through it. The gateway is a process of its own; the listeners, the callers and everything else share the machine with it.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { freePort } from '@poolmesh/bus'
import { startEmbedded } from '@poolmesh/up'
import { definePool } from '@poolmesh/worker'

const { values } = parseArgs({
  options: {
    listeners: { type: 'string', default: '5000' },
    rate: { type: 'string', default: '500' },
    seconds: { type: 'string', default: '20' },
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
const port = await freePort()
const gateway = spawn(
  process.execPath,
  [join(import.meta.dirname, '..', 'services', 'up', 'src', 'service.ts'), 'gateway'],
  {
    env: {
      ...process.env,
      NATS_URL: system.url,
      POOLMESH_HTTP_PORT: String(port),
      POOLMESH_LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  },
)
const ended = new Promise((resolve) => gateway.once('close', resolve))
owned.defer(async () => {
  gateway.kill('SIGTERM')
  await ended
})
await new Promise((resolve) => gateway.once('message', resolve))

const rssMiB = (): number => {
  const [, kib] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8')) ?? []
  return Math.round(Number(kib) / 1024)
}
/** Of the gateway, in seconds; the kernel counts in hundredths. */
const cpuSeconds = (): number => {
  const fields = readFileSync(`/proc/${gateway.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}

const ALERT = Buffer.from('event: alerts\n')
const RESET = Buffer.from('\nevent: reset\n')
/** In a chunk, and where it was cut from the one before. Bytes are not read as text: that would cost more than the gateway does. */
function count(mark: Buffer, tail: Buffer, chunk: Buffer): number {
  let found = 0
  for (let at = chunk.indexOf(mark); at >= 0; at = chunk.indexOf(mark, at + mark.length)) found++
  const seam = Buffer.concat([tail.subarray(-mark.length + 1), chunk.subarray(0, mark.length - 1)])
  return seam.includes(mark) ? found + 1 : found
}

const idle = rssMiB()
const heard = { alerts: new Int32Array(listeners), bytes: 0, resets: 0, closed: 0 }
const sockets: Socket[] = []
for (let i = 0; i < listeners; i++) {
  const socket = connect(port, '127.0.0.1')
  sockets.push(socket)
  const begun = new Promise<void>((resolve, reject) => {
    let tail = Buffer.alloc(0)
    socket.once('error', reject)
    socket.on('data', (chunk) => {
      heard.bytes += chunk.length
      heard.alerts[i]! += count(ALERT, tail, chunk)
      heard.resets += count(RESET, tail, chunk)
      tail = Buffer.from(chunk.subarray(-ALERT.length + 1))
      resolve()
    })
  })
  socket.once('close', () => heard.closed++)
  socket.write('GET /api/v1/events?topics=overview,tasks,alerts HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
  // So many at a time: the rest would wait in the kernel's line of connections.
  if (i % 100 === 99) await begun
}
await sleep(2_000)
process.stdout.write(`${listeners} listeners; the gateway has ${rssMiB()} MiB, ${idle} MiB without them\n`)

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

const cpuBefore = cpuSeconds()
const began = performance.now()
let [sent, alerts, peak] = [0, 0, rssMiB()]
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
  peak = Math.max(peak, rssMiB())
  await sleep(TICK_MS)
}
const took = (performance.now() - began) / 1_000
const cpu = cpuSeconds() - cpuBefore
while (inFlight > 0) await sleep(50)
const stats = async () =>
  (await system.nc.request('executor.stats', '', { timeout: 10_000 })).json<{ completed_tasks: number }>()
for (let tries = 0; tries < 100 && (await stats()).completed_tasks < stored; tries++) await sleep(200)
for (let tries = 0; tries < 100 && heard.alerts.some((count) => count < alerts); tries++) await sleep(100)

latencies.sort((a, b) => a - b)
const quantile = (q: number): string =>
  (latencies[Math.floor(q * (latencies.length - 1))] ?? Number.NaN).toFixed(0)
const complete = heard.alerts.filter((count) => count === alerts).length
const lines = [
  `${sent} tasks in ${took.toFixed(1)} s: ${stored} stored, ${refused} refused, ${(await stats()).completed_tasks} ended`,
  `answered in ${quantile(0.5)} ms (p50), ${quantile(0.99)} ms (p99)`,
  `${alerts} alerts: ${complete} of ${listeners} listeners had each of them once; ${heard.resets} resets, ${heard.closed} closed`,
  `${(heard.bytes / 1024 ** 2).toFixed(0)} MiB of events`,
  `gateway: ${Math.max(peak, rssMiB())} MiB at most, ${((cpu / took) * 100).toFixed(0)} % of a core`,
]
process.stdout.write(`${lines.join('\n')}\n`)
for (const socket of sockets) socket.destroy()
if (refused > 0 || complete < listeners || (await stats()).completed_tasks !== stored) process.exitCode = 1
