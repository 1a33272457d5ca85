// Tasks from one plain client over five pools, three of the worker package and two plain subscribers: all of them, and
// with one pool stopped half way, which must lose no task and double no result.
import { setTimeout as sleep } from 'node:timers/promises'
import type { PlainOutcome } from '../plain/client.ts'
import { Child } from '../processes/child.ts'
import type { Report } from '../report.ts'

const CAPABILITY = 'plain-job'
const MAX_WORKERS = 50
/** Long enough that tasks run while the pool is stopped. */
const WORK_MS = 10
const WORKERS = ['worker-1', 'worker-2', 'worker-3']
const PLAIN = ['plain-1', 'plain-2']
/** A pool that is killed is known to be lost after three heartbeats, 15 s. */
const PATIENCE_MS = 40_000

type Stop = 'SIGTERM' | 'SIGKILL'
interface PlainJobOutcome extends PlainOutcome {
  /** Runs that pools which still live have begun. */
  begun: number
  /** Results that there were when a pool was stopped. */
  stoppedAt: number | null
}

export async function plainJobs(
  url: string,
  tasks: number,
  report: Report,
  stops: readonly Stop[] = ['SIGTERM', 'SIGKILL'],
): Promise<void> {
  await using parts = new AsyncDisposableStack()
  const options = { capability: CAPABILITY, maxWorkers: MAX_WORKERS, workMs: WORK_MS }
  const startWorker = (name: string): Promise<Child<'product pools'>> =>
    Child.start('product pools', url, { ...options, names: [name] }, [], name)
  const plain = parts.use(await Child.start('plain pools', url, { ...options, names: PLAIN }))
  const workers = await Promise.all(WORKERS.map(startWorker))
  parts.defer(async () => void (await Promise.all(workers.map((worker) => worker.stop()))))
  const client = parts.use(await Child.start('plain client', url, {}))

  const begunBy = async (): Promise<number> => {
    const counts = await Promise.all([plain, ...workers].map((pool) => pool.call('begun').catch(() => ({}))))
    return counts.flatMap((count) => Object.values(count)).reduce((sum, n) => sum + n, 0)
  }
  const run = async (stop: Stop | null): Promise<PlainJobOutcome> => {
    const before = await begunBy()
    const running = client.call('run', { tasks, capability: CAPABILITY, patienceMs: PATIENCE_MS })
    const stoppedAt = stop ? await stopHalfWay(client, workers, tasks, stop) : null
    const outcome = await running
    return { ...outcome, begun: (await begunBy()) - before, stoppedAt }
  }
  report.plainJob('five pools', await run(null))
  for (const stop of stops) {
    report.plainJob(`one pool ${stop} half way`, await run(stop))
    workers[workers.length - 1] = await startWorker(WORKERS.at(-1) as string)
  }
}

/** @returns how many results there were */
async function stopHalfWay(
  client: Child<'plain client'>,
  workers: Child<'product pools'>[],
  tasks: number,
  signal: Stop,
): Promise<number> {
  for (;;) {
    const results = await client.call('progress')
    if (results >= tasks / 2) {
      await workers.at(-1)?.stop(signal)
      return results
    }
    await sleep(5)
  }
}

export type { PlainJobOutcome }
