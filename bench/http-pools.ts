// Pools behind HTTP: `npm run bench -- http`, about a minute. How long it takes to check the health of many, what that costs the
// monitor, and how long a fan-out over ten of them takes.
//
//   --pools N      pools whose health is checked (10,000)     --fan-outs N   (200)
//   --hosts N      addresses that they have (as many)         --json         one JSON object instead of lines
//   --hanging N    of the addresses take the question and say nothing (0)
//   --rounds N     times that all are checked (3)
//
// It does not measure: a network, TLS, and servers that are busy. Servers, broker and services share the processors.
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { NatsConnection } from '@nats-io/transport-node'
import { connectBus } from '@poolmesh/bus'
import { ask } from './http/ask.ts'
import { fanOuts } from './http/fan-out.ts'
import { Child } from './processes/child.ts'
import { percentile } from './processes/statistics.ts'
import { meter } from './processes/usage.ts'
import { type Product, startProduct } from './product/system.ts'

const { values } = parseArgs({
  options: {
    pools: { type: 'string', default: '10000' },
    hosts: { type: 'string' },
    hanging: { type: 'string', default: '0' },
    rounds: { type: 'string', default: '3' },
    'fan-outs': { type: 'string', default: '200' },
    json: { type: 'boolean', default: false },
  },
})
const FAN_OUT_POOLS = 10
/** Requests in flight of one who asks for all pools by their names. */
const ASKING = 2_000

const report: Record<string, unknown> = {}
function say(what: string, figures: Record<string, number>, line: string): void {
  report[what] = figures
  if (!values.json) process.stdout.write(`${what.padEnd(44)} ${line}\n`)
}

/** MiB at the most so far. */
const peakOf = (pid: number): number =>
  Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024

/** Calls it for 0 to `count` - 1, so many at a time. */
async function inFlight(count: number, atOnce: number, call: (i: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) await call(next++)
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, worker))
}

const nameOf = (i: number): string => `health-${i}`

async function checkAll(
  product: Product,
  servers: number,
  nc: NatsConnection,
  { count, addresses, round }: { count: number; addresses: number; round: number },
): Promise<void> {
  const monitor = product.processes['health-monitor'] as number
  const used = meter({ ...product.processes, servers, bench: process.pid })
  const statuses: Record<string, number> = {}
  const took: number[] = []
  const begun = performance.now()
  await inFlight(count, ASKING, async (i) => {
    const name = nameOf(i)
    const said = await ask<Record<string, { status: string; response_time: number | null }>>(
      nc,
      'health.check',
      { name },
    )
    const { status = 'none', response_time = null } = said[name] ?? {}
    statuses[status] = (statuses[status] ?? 0) + 1
    if (response_time !== null) took.push(response_time)
  })
  const seconds = (performance.now() - begun) / 1000
  const use = used(count)
  const { cpuMicrosPerTask = Number.NaN, rssMiB = Number.NaN } = use['health-monitor'] ?? {}
  const allSeconds = (Object.values(use).reduce((sum, one) => sum + one.cpuMicrosPerTask, 0) * count) / 1e6
  const [p50, p99] = [percentile(took, 0.5), percentile(took, 0.99)]
  const peakMiB = peakOf(monitor)
  const about = Object.entries(statuses).map(([status, n]) => `${n} ${status}`)
  say(
    `health of ${count} pools at ${addresses} addresses, ${round}`,
    {
      seconds,
      allCpuSeconds: allSeconds,
      cpuMicrosPerCheck: cpuMicrosPerTask,
      rssMiB,
      peakMiB,
      p50,
      p99,
      ...statuses,
    },
    `${seconds.toFixed(2)} s (${about.join(', ')}); response median ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms; ` +
      `${allSeconds.toFixed(1)} s of processor in all, monitor ${Math.round(cpuMicrosPerTask)} µs a check, RSS ${Math.round(rssMiB)} MiB, at most ${Math.round(peakMiB)}`,
  )
}

async function health(product: Product, nc: NatsConnection): Promise<void> {
  const count = Number(values.pools)
  const hanging = Number(values.hanging)
  const servers = { hosts: Number(values.hosts ?? count), hanging }
  await using child = await Child.start('health servers', '', servers)
  const endpoints = await child.call('endpoints')
  await inFlight(count, 500, async (i) => {
    const endpoint = endpoints[i % endpoints.length]
    await ask(nc, 'pool.register', { name: nameOf(i), pool_type: 'mahavishnu', endpoint })
  })
  // Each is checked by itself when it is new.
  let checked = 0
  while (checked < count)
    checked = (await ask<{ total_health_checks: number }>(nc, 'health.stats', {})).total_health_checks
  for (let round = 1; round <= Number(values.rounds); round++)
    await checkAll(product, child.pid, nc, { count, addresses: endpoints.length, round })
  await inFlight(count, 500, async (i) => void (await ask(nc, 'pool.deregister', { name: nameOf(i) })))
}

async function fanOut(product: Product, nc: NatsConnection): Promise<void> {
  const took = await fanOuts(nc, product.url, { pools: FAN_OUT_POOLS, count: Number(values['fan-outs']) })
  const [p50, p99] = [percentile(took, 0.5), percentile(took, 0.99)]
  say(
    `fan-out over ${FAN_OUT_POOLS} pools, all of them`,
    { p50, p99 },
    `median ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`,
  )
}

await using product = await startProduct()
const nc = await connectBus({ servers: product.url, name: 'bench' })
try {
  if (Number(values['fan-outs']) > 0) await fanOut(product, nc)
  if (Number(values.pools) > 0) await health(product, nc)
} finally {
  await nc.close()
}
if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`)
