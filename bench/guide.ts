// `npm run bench -- guide`, about ten seconds: the figures of the guide that poolmesh comes from, beside what is measured.
//
//   --times N    how often each is done (200; the health checks of 100 pools a tenth of it)     --json    one JSON object
//
// It does not measure: a network, busy pools, and what the guide's own system would need on this machine.
import { parseArgs } from 'node:util'
import type { NatsConnection } from '@nats-io/transport-node'
import { connectBus } from '@poolmesh/bus'
import { DistributedTaskExecutor } from '@poolmesh/client'
import { PoolTable, type Preferences } from '@poolmesh/core'
import { poolDescriptorSchema } from '@poolmesh/types'
import { ask } from './http/ask.ts'
import { fanOuts } from './http/fan-out.ts'
import { Child } from './processes/child.ts'
import { percentile } from './processes/statistics.ts'
import { startProduct } from './product/system.ts'

const { values } = parseArgs({
  options: { times: { type: 'string', default: '200' }, json: { type: 'boolean', default: false } },
})
const times = Number(values.times)
const CHECKED = 100
const FAN_OUT_POOLS = 10
const ROUTED_POOLS = 10_000
const DECISIONS = 20_000

interface Row {
  what: string
  guideMs: number
  /** Milliseconds. */
  took: number[]
}

/** All that a choice among pools is: what fits, is preferred and least loaded. The load changes with each. */
function decisions(): number[] {
  const table = new PoolTable()
  for (let i = 0; i < ROUTED_POOLS; i++)
    table.upsert(
      poolDescriptorSchema.parse({
        name: `pool-${i}`,
        pool_type: 'nats',
        capabilities: ['python', `model-${i % 200}`],
        region: `region-${i % 8}`,
        max_workers: 20,
      }),
    )
  const wish: Preferences = {
    strategy: 'region_aware',
    region: 'region-3',
    affinityKey: 'render',
    preferred: [],
    avoid: null,
  }
  return Array.from({ length: DECISIONS }, () => {
    const begun = performance.now()
    const pool = table.choose({ capabilities: ['python'], pool: null }, wish)
    if (pool) table.acquire(pool)
    return performance.now() - begun
  })
}

/** Until the broker has acknowledged a task that is submitted alone. No pool can run it: nothing else is done meanwhile. */
async function submissions(nc: NatsConnection): Promise<number[]> {
  await using executor = new DistributedTaskExecutor(nc)
  const took: number[] = []
  for (let i = 0; i < times; i++) {
    const begun = performance.now()
    const handle = executor.submit({
      task_type: 'nothing',
      payload: { i },
      required_capabilities: ['nowhere'],
    })
    handle.result().catch(() => {})
    await handle.stored
    took.push(performance.now() - begun)
    await handle.cancel()
  }
  return took
}

async function healthChecks(nc: NatsConnection): Promise<number[]> {
  await using child = await Child.start('health servers', '', { hosts: CHECKED, hanging: 0 })
  for (const [i, endpoint] of (await child.call('endpoints')).entries())
    await ask(nc, 'pool.register', { name: `health-${i}`, pool_type: 'mahavishnu', endpoint })
  const took: number[] = []
  for (let i = 0; i < Math.max(3, times / 10); i++) {
    const begun = performance.now()
    const found = await ask<Record<string, { status: string }>>(nc, 'health.check', {})
    took.push(performance.now() - begun)
    const healthy = Object.values(found).filter(({ status }) => status === 'healthy').length
    if (healthy !== CHECKED) throw new Error(`${healthy} of ${CHECKED} pools were healthy`)
  }
  return took
}

const rows: Row[] = [{ what: `routing decision, ${ROUTED_POOLS} pools`, guideMs: 100, took: decisions() }]
{
  await using product = await startProduct()
  const nc = await connectBus({ servers: product.url, name: 'bench' })
  try {
    rows.push({ what: 'submission, stored', guideMs: 200, took: await submissions(nc) })
    rows.push({
      what: `distribution over ${FAN_OUT_POOLS} HTTP pools`,
      guideMs: 500,
      took: await fanOuts(nc, product.url, { pools: FAN_OUT_POOLS, count: times }),
    })
    rows.push({
      what: `health checks of ${CHECKED} HTTP pools`,
      guideMs: 10_000,
      took: await healthChecks(nc),
    })
  } finally {
    await nc.close()
  }
}
const figures = rows.map(({ what, guideMs, took }) => ({
  what,
  guideMs,
  median: percentile(took, 0.5),
  p99: percentile(took, 0.99),
  worst: Math.max(...took),
}))
if (values.json) process.stdout.write(`${JSON.stringify(figures)}\n`)
else {
  const line = (what: string, ...cells: string[]): string =>
    `${what.padEnd(36)}${cells.map((cell) => cell.padStart(11)).join('')}\n`
  process.stdout.write(line('milliseconds', 'guide', 'median', 'p99', 'worst'))
  const ms = (value: number): string => value.toFixed(value < 1 ? 4 : 1)
  for (const { what, guideMs, median, p99, worst } of figures)
    process.stdout.write(line(what, String(guideMs), ms(median), ms(p99), ms(worst)))
}
