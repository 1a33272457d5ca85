// What grows: `npm run bench -- full [--only a,b]`, about five minutes on a quiet machine. Each stage compares systems of its own,
// in rounds in turn.
//
//   pending     throughput beside 1,000 and 1,000,000 tasks that wait for a busy pool
//   pools       throughput with 1, 5 and 100 pools, beside 10,000 that do not fit, and over 10,000 that all do
//   executors   one, two, three processes of the executor
//   payloads    0.2, 10 and 200 KB
//   fan-out     one task on 10 and on 1,000 pools
//   start       from nothing to the first result
import { parseArgs } from 'node:util'
import { connectBus } from '@poolmesh/bus'
import { ask } from '../http/ask.ts'
import { Child } from '../processes/child.ts'
import { median, percentile } from '../processes/statistics.ts'
import { meter } from '../processes/usage.ts'
import { type Product, startProduct } from '../product/system.ts'
import { inTurn } from './rounds.ts'
import { machine } from './tables.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: 'pending,pools,executors,payloads,fan-out,start' },
    rounds: { type: 'string', default: '3' },
    pending: { type: 'string', default: '1000000' },
    'many-pools': { type: 'string', default: '10000' },
  },
})
const rounds = Number(values.rounds)
const PENDING = Number(values.pending)
const MANY_POOLS = Number(values['many-pools'])
const CAPABILITY = 'bench'
const WORKERS = 100
// Each system that is started has hooks of its own for the end of the process.
process.setMaxListeners(100)

const say = (line: string): void => void process.stdout.write(`${line}\n`)
const whole = (value: number): string => Math.round(value).toLocaleString('en-US')
const namesOf = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}-${i}`)

interface Variant {
  name: string
  system: Product
  client: Child<'product client'>
  pools: Child<'product pools'> | Child<'plain pools'>
  tasks: number
}

interface VariantOptions {
  pools?: number
  plain?: boolean
  executors?: number
  payloadBytes?: number
  tasks?: number
}

async function variant(
  parts: AsyncDisposableStack,
  name: string,
  { pools = 5, plain = false, executors = 1, payloadBytes = 200, tasks = 60_000 }: VariantOptions = {},
): Promise<Variant> {
  const system = parts.use(await startProduct(() => [], { sync: '1s', copies: 1 }, executors))
  const options = { names: namesOf('bench', pools), capability: CAPABILITY, maxWorkers: WORKERS, workMs: 0 }
  const started = plain
    ? parts.use(await Child.start('plain pools', system.url, options))
    : parts.use(await Child.start('product pools', system.url, options))
  const client = parts.use(
    await Child.start('product client', system.url, { capability: CAPABILITY, payloadBytes }),
  )
  return { name, system, client, pools: started, tasks }
}

/** Rounds of all in turn; says tasks a second, CPU a task, and each as a part of the first. */
async function compare(variants: readonly Variant[]): Promise<void> {
  const found = new Map(variants.map(({ name }) => [name, { speeds: [] as number[], cpu: [] as number[] }]))
  const run = async ({ client, tasks }: Variant, share = 1): Promise<number> => {
    const count = Math.max(100, Math.round(tasks * share))
    const outcome = await client.call('throughput', { tasks: count, batchSize: 100, window: 10_000 })
    if (outcome.distinct !== count || outcome.results !== count)
      throw new Error(`of ${count} tasks ${outcome.distinct} have a result, ${outcome.results} came`)
    return count / outcome.seconds
  }
  for (const one of variants) await run(one, 0.25)
  await inTurn(variants, rounds, async (one) => {
    const { system, client, pools, name, tasks } = one
    const used = meter({ ...system.processes, client: client.pid, pools: pools.pid })
    found.get(name)?.speeds.push(await run(one))
    found.get(name)?.cpu.push(Object.values(used(tasks)).reduce((sum, use) => sum + use.cpuMicrosPerTask, 0))
  })
  const first = found.get(variants[0]?.name ?? '')
  for (const [name, { speeds, cpu }] of found) {
    const ratio = median(speeds.map((speed, i) => speed / (first?.speeds[i] ?? Number.NaN)))
    say(
      `  ${name.padEnd(44)} ${whole(median(speeds)).padStart(8)} tasks/s, ${ratio.toFixed(2)} of the first ` +
        `(rounds: ${speeds.map(whole).join(' ')}); CPU a task ${median(cpu).toFixed(1)} µs`,
    )
  }
}

async function pending(): Promise<void> {
  await using parts = new AsyncDisposableStack()
  const beside = async (count: number): Promise<Variant> => {
    const one = await variant(parts, `beside ${whole(count)} pending`)
    const submitter = parts.use(
      await Child.start('product client', one.system.url, { capability: CAPABILITY }),
    )
    const before = meter(one.system.processes)
    const seconds = await submitter.call('submitAndHold', { tasks: count })
    const { executor, 'nats-server': server } = before(count)
    say(
      `  ${whole(count)} stored in ${seconds.toFixed(1)} s; then executor ${whole(executor?.rssMiB ?? 0)} MiB, ` +
        `nats-server ${whole(server?.rssMiB ?? 0)} MiB`,
    )
    return one
  }
  await compare([await beside(1_000), await beside(PENDING)])
}

async function pools(): Promise<void> {
  await using parts = new AsyncDisposableStack()
  const five = await variant(parts, '5 pools')
  const beside = await variant(parts, `5 pools beside ${whole(MANY_POOLS)} others`)
  const others = { names: namesOf('other', MANY_POOLS), capability: 'other', maxWorkers: WORKERS, workMs: 0 }
  parts.use(await Child.start('plain pools', beside.system.url, others))
  const [one, hundred] = [
    await variant(parts, '1 pool', { pools: 1 }),
    await variant(parts, '100 pools', { pools: 100 }),
  ]
  await compare([five, one, hundred, beside])
  say('  of plain subscribers, which get one task a message:')
  await using more = new AsyncDisposableStack()
  const plain = { plain: true, tasks: 20_000 }
  const few = await variant(more, '5 plain pools', plain)
  await compare([
    few,
    await variant(more, `${whole(MANY_POOLS)} plain pools, all of which fit`, {
      ...plain,
      pools: MANY_POOLS,
    }),
  ])
}

async function executors(): Promise<void> {
  await using parts = new AsyncDisposableStack()
  const all: Variant[] = []
  for (const count of [1, 2, 3]) all.push(await variant(parts, `${count} executors`, { executors: count }))
  await compare(all)
}

async function payloads(): Promise<void> {
  await using parts = new AsyncDisposableStack()
  await compare([
    await variant(parts, '200 bytes'),
    await variant(parts, '10 KB', { payloadBytes: 10_000, tasks: 10_000 }),
    await variant(parts, '200 KB', { payloadBytes: 200_000, tasks: 1_000 }),
  ])
}

async function fanOut(): Promise<void> {
  for (const [count, times] of [
    [10, 200],
    [1_000, 20],
  ] as const) {
    await using parts = new AsyncDisposableStack()
    const { system } = await variant(parts, '', { pools: count })
    const nc = await connectBus({ servers: system.url, name: 'bench' })
    parts.defer(() => nc.close())
    const task = {
      task_type: 'bench',
      payload: {},
      required_capabilities: [CAPABILITY],
      fan_out: { pools: 'all', aggregation: 'all_success', max_parallel: count },
    }
    const took: number[] = []
    for (let i = 0; i < times + 5; i++) {
      const begun = performance.now()
      const { status, output } = await ask<{ status: string; output: { branches: unknown[] } | null }>(
        nc,
        'task.distribute',
        task,
      )
      if (status !== 'completed' || output?.branches.length !== count)
        throw new Error(`a fan-out over ${output?.branches.length} pools ended ${status}`)
      if (i >= 5) took.push(performance.now() - begun)
    }
    say(
      `  over ${whole(count)} pools: median ${median(took).toFixed(1)} ms, p99 ${percentile(took, 0.99).toFixed(1)} ms (${times} times)`,
    )
  }
}

async function start(): Promise<void> {
  const took: number[] = []
  for (let i = 0; i < rounds; i++) {
    await using parts = new AsyncDisposableStack()
    const begun = performance.now()
    const one = await variant(parts, '', { tasks: 1 })
    await one.client.call('latency', { probes: 1, pauseMs: 0 })
    took.push(performance.now() - begun)
  }
  say(`  broker, four services, five pools, a client and its first result: ${median(took).toFixed(0)} ms`)
}

const STAGES = { pending, pools, executors, payloads, 'fan-out': fanOut, start } as const
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
say(`${machine()}. Medians of ${rounds} rounds in turn.`)
for (const name of values.only.split(',')) {
  if (!Object.hasOwn(STAGES, name))
    throw new Error(`--only: there is no stage ${name}: ${Object.keys(STAGES).join(', ')}`)
  say(`${name}:`)
  await STAGES[name as keyof typeof STAGES]()
}
