// `npm run demo:pools [-- --tasks 2000]`: a NATS server, the services, five pools of four kinds, and tasks that several of
// them could do. Prints where they ran, and why.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { loadSettings } from '@poolmesh/bus'
import { createDistributedPoolSystem, type DistributedPoolSystem } from '@poolmesh/client'
import { type Column, formatTable } from '@poolmesh/terminal'
import { FakeKubernetes } from '@poolmesh/testkit'
import { startEmbedded } from '@poolmesh/up'
import { KINDS, startPools } from './pools.ts'
import { Reasons } from './reasons.ts'
import { manyTasks, WISHES } from './tasks.ts'

const say = (text: string): void => void process.stdout.write(text)
const { values } = parseArgs({ options: { tasks: { type: 'string', default: '2000' } } })
const count = Number(values.tasks)
/** In flight at a time: a few more than there are slots, so that pools are full now and then, and have room again. */
const IN_HAND = 24
const FIRST_LOOK_MS = 20_000

interface Tally {
  pool: string
  ms: number[]
  why: string
}

async function main(signal: AbortSignal): Promise<void> {
  if (!Number.isSafeInteger(count) || count < 1) throw new Error('--tasks: a whole number from 1')
  await using owned = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'poolmesh-demo-'))
  owned.defer(() => rm(folder, { recursive: true, force: true }))
  const cluster = owned.use(await FakeKubernetes.start())
  const kubeconfig = join(folder, 'kubeconfig')
  await writeFile(kubeconfig, cluster.kubeconfig)
  const settings = loadSettings({ POOLMESH_KUBECONFIG: kubeconfig }, '')
  const { url } = owned.use(await startEmbedded({ settings }))
  say(`a NATS server and the services run (${url})\n`)
  const poolmesh = owned.use(await createDistributedPoolSystem({ servers: url }))
  await startPools({ url, registry: poolmesh.registry, cluster, owned })
  await allFit(poolmesh, signal)
  say(`five pools of four kinds are registered; ${count} tasks are submitted\n\n`)
  const begun = performance.now()
  const { tallies, notCompleted } = await runAll(poolmesh, signal)
  const seconds = (performance.now() - begun) / 1000
  say(formatTable(COLUMNS, tallies))
  const total = tallies.reduce((sum, { ms }) => sum + ms.length, 0)
  say(`\n${total} tasks completed in ${seconds.toFixed(1)} s; ${notCompleted} ended otherwise\n`)
  if (total !== count) throw new Error(`${count - total} of ${count} tasks did not complete`)
}

/** The executor hears of pools a moment after the registry. */
async function allFit({ executor }: DistributedPoolSystem, signal: AbortSignal): Promise<void> {
  const missing = new Set(Object.keys(KINDS))
  for (const until = performance.now() + FIRST_LOOK_MS; missing.size > 0; await sleep(20)) {
    signal.throwIfAborted()
    if (performance.now() > until) throw new Error(`no task would go to ${[...missing].join(', ')}`)
    for (const { task } of WISHES)
      for (const { pool, verdict } of (await executor.explainTask(task)).candidates)
        if (verdict === 'chosen' || verdict === 'fits') missing.delete(pool)
  }
}

async function runAll({ executor }: DistributedPoolSystem, signal: AbortSignal) {
  const tallies: Tally[] = Object.keys(KINDS).map((pool) => ({ pool, ms: [], why: '-' }))
  await using reasons = new Reasons(executor)
  let notCompleted = 0
  for await (const result of executor.submitMany(manyTasks(count), { window: IN_HAND, batchSize: 2 })) {
    signal.throwIfAborted()
    const tally = tallies.find(({ pool }) => pool === result.pool_name)
    if (tally && result.status === 'completed') tally.ms.push(result.duration * 1000)
    else notCompleted++
  }
  for (const tally of tallies) tally.why = reasons.of(tally.pool)
  return { tallies, notCompleted }
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

const COLUMNS: readonly Column<Tally>[] = [
  { title: 'POOL', value: ({ pool }) => pool, widest: 12 },
  { title: 'KIND', value: ({ pool }) => KINDS[pool] ?? '', widest: 24 },
  { title: 'TASKS', value: ({ ms }) => String(ms.length), widest: 8, align: 'right' },
  {
    title: 'SHARE',
    value: ({ ms }) => `${((100 * ms.length) / count).toFixed(1)} %`,
    widest: 8,
    align: 'right',
  },
  { title: 'MEDIAN MS', value: ({ ms }) => median(ms).toFixed(1), widest: 9, align: 'right' },
  { title: 'WHY THERE, BY task.explain', value: ({ why }) => why, widest: 110 },
]

const stopped = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.once(name, () => stopped.abort(new Error(`stopped by ${name}`)))
await main(stopped.signal).catch((error: unknown) => {
  process.stderr.write(`demo: ${error instanceof Error ? error.message : error}\n`)
  process.exitCode = 1
})
