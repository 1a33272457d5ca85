// A backlog: memory of each process with nothing pending and with a million tasks, and how fast those are run once pools
// are there. `npm run bench -- backlog [--tasks 1000000] [--alone]`, about three minutes.
//
// The tasks are published as bare messages, in batches of 64 or each alone, while no pool can take them.
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { connectBus, Publisher } from '@poolmesh/bus'
import { Child } from './processes/child.ts'
import { meter, type Processes } from './processes/usage.ts'
import { startProduct } from './product/system.ts'

const CAPABILITY = 'bench'
const BATCH = 64
/** Publishes without an answer at one time. */
const OUTSTANDING = 256
const PAYLOAD = { text: 'x'.repeat(180) }
/** What was submitted has found its place in the executor, or is stored away. */
const SETTLE_MS = 5_000
const SAMPLE_MS = 500

const { values } = parseArgs({
  options: { tasks: { type: 'string', default: '1000000' }, alone: { type: 'boolean', default: false } },
})
const tasks = Number(values.tasks)
if (!Number.isSafeInteger(tasks) || tasks < 1) throw new Error('--tasks: a whole number from 1')

const rssOf = (processes: Processes): Record<string, number> =>
  Object.fromEntries(Object.entries(meter(processes)(1)).map(([name, { rssMiB }]) => [name, rssMiB]))

/** The most that each process had until it is stopped. */
function watchPeaks(processes: Processes): () => Record<string, number> {
  const peaks = rssOf(processes)
  const timer = setInterval(() => {
    for (const [name, rss] of Object.entries(rssOf(processes))) peaks[name] = Math.max(peaks[name] ?? 0, rss)
  }, SAMPLE_MS)
  return () => {
    clearInterval(timer)
    return peaks
  }
}

/** @returns seconds until all are stored */
async function submit(url: string): Promise<number> {
  const nc = await connectBus({ servers: url, name: 'bench' })
  using publisher = new Publisher(nc, { timeoutMs: 60_000 })
  const task = {
    task_type: 'bench',
    payload: PAYLOAD,
    required_capabilities: [CAPABILITY],
    queue_timeout: 86_400,
  }
  const size = values.alone ? 1 : BATCH
  const begun = performance.now()
  let failure: Error | null = null
  for (let first = 0; first < tasks; first += size) {
    const count = Math.min(size, tasks - first)
    const id = `backlog_${first}`
    const body = values.alone ? { task_id: id, ...task } : Array.from({ length: count }, () => task)
    publisher.publish(`task.submitted.normal.${id}`, JSON.stringify(body), undefined, (outcome) => {
      if (outcome.kind !== 'stored') failure ??= new Error(`not stored: ${outcome.message}`)
    })
    while (publisher.outstanding >= OUTSTANDING) await sleep(1)
  }
  while (publisher.outstanding > 0) await sleep(1)
  const seconds = (performance.now() - begun) / 1_000
  await nc.close()
  if (failure) throw failure
  return seconds
}

interface Stats {
  completed_tasks: number
  task_status_breakdown: Record<string, number>
}

/** @returns seconds until all have ended */
async function drain(url: string): Promise<number> {
  const nc = await connectBus({ servers: url, name: 'bench' })
  await using _ = await Child.start('product pools', url, {
    names: ['pool-1', 'pool-2', 'pool-3', 'pool-4', 'pool-5'],
    capability: CAPABILITY,
    maxWorkers: 100,
    workMs: 0,
  })
  const begun = performance.now()
  for (;;) {
    const reply = await nc.request('executor.stats', '{}', { timeout: 10_000 })
    const { completed_tasks, task_status_breakdown } = reply.json<Stats>()
    if (completed_tasks >= tasks) {
      const seconds = (performance.now() - begun) / 1_000
      await nc.close()
      if (completed_tasks > tasks || task_status_breakdown['completed'] !== tasks)
        throw new Error(`not all completed, once: ${JSON.stringify(task_status_breakdown)}`)
      return seconds
    }
    await sleep(100)
  }
}

const say = (line: string): void => void process.stdout.write(`${line}\n`)
const row = (cells: (string | number)[]): string =>
  cells
    .map((cell, i) =>
      i === 0 ? String(cell).padEnd(16) : (typeof cell === 'number' ? cell.toFixed(0) : cell).padStart(14),
    )
    .join('')

await using product = await startProduct(() => [])
const before = rssOf(product.processes)
const stopWatching = watchPeaks(product.processes)
const submitted = await submit(product.url)
await sleep(SETTLE_MS)
const pending = rssOf(product.processes)
const drained = await drain(product.url)
const peaks = stopWatching()
const how = values.alone ? 'each alone' : `in batches of ${BATCH}`
say(
  `${tasks} tasks, ${how}: stored in ${submitted.toFixed(1)} s (${Math.round(tasks / submitted)} a second),`,
)
say(`run by five pools in ${drained.toFixed(1)} s (${Math.round(tasks / drained)} a second), each once\n`)
say(row(['RSS in MiB', 'none pending', 'all pending', 'most ever']))
for (const name of Object.keys(product.processes))
  say(row([name, before[name] ?? Number.NaN, pending[name] ?? Number.NaN, peaks[name] ?? Number.NaN]))
for (const line of product.logged.slice(0, 10)) say(`log: ${line}`)
