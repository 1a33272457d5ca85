// graphile-worker as its documents advise: addJobs, a local queue, completions in batches. It keeps no result: for the same job
// handlers wait for a row and a NOTIFY, batched by tick.
import { Logger, makeWorkerUtils, run } from 'graphile-worker'
import pg from 'pg'
import { endsWithItsProcess, type JobData, peerClient } from '../compare/client.ts'
import type { CompareCommands } from '../compare/commands.ts'
import type { Started } from '../processes/roles.ts'
import { countingClient, type PeerOptions, type PeerWorkerCommands } from './modes.ts'
import { INSERT_RESULTS, listen, NOTIFY, notes, RESULTS_TABLE } from './told.ts'

const BULK = 1_000
const silent = new Logger(() => () => {})

export async function startGraphileWorker(
  url: string,
  { concurrency, queue, told }: PeerOptions,
): Promise<Started<PeerWorkerCommands>> {
  const pool = new pg.Pool({ connectionString: url, max: 20 })
  await pool.query(RESULTS_TABLE)
  let done = 0
  let ready: number[] = []
  let stored: Promise<void> | null = null
  const store = async (): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve))
    const numbers = ready
    ready = []
    stored = null
    await pool.query(INSERT_RESULTS, [numbers])
    for (const note of notes(numbers)) await pool.query(NOTIFY, [note])
  }
  await run({
    taskList: {
      [queue]: async (payload) => {
        done++
        if (!told) return
        ready.push((payload as JobData).n)
        stored ??= store()
        await stored
      },
    },
    preset: {
      worker: {
        connectionString: url,
        maxPoolSize: 20,
        concurrentJobs: concurrency,
        pollInterval: 500,
        localQueue: { size: 5 * concurrency },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
    },
    logger: silent,
    noHandleSignals: true,
  })
  return { commands: { done: async () => done }, stop: endsWithItsProcess }
}

export async function startGraphileClient(
  url: string,
  { queue, told }: PeerOptions,
): Promise<Started<CompareCommands>> {
  const utils = await makeWorkerUtils({ connectionString: url, logger: silent })
  await utils.migrate()
  const add = (jobs: JobData[]): Promise<unknown> =>
    utils.addJobs(jobs.map((payload) => ({ identifier: queue, payload })))
  if (!told) return await countingClient({ add }, BULK)
  return await peerClient(async (tell) => {
    await listen(url, tell)
    return { add }
  }, BULK)
}
