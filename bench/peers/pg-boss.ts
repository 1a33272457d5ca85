// pg-boss as its documents advise: bulk inserts, batches that are fetched while they come back full, workers that are woken by
// LISTEN/NOTIFY. The same job: handlers in the transaction of their completion, which inserts results and notifies.
import { type Job, PgBoss } from 'pg-boss'
import { endsWithItsProcess, type JobData, peerClient } from '../compare/client.ts'
import type { CompareCommands } from '../compare/commands.ts'
import type { Started } from '../processes/roles.ts'
import { countingClient, type PeerOptions, type PeerWorkerCommands } from './modes.ts'
import { INSERT_RESULTS, listen, NOTIFY, notes, RESULTS_TABLE } from './told.ts'

const BULK = 1_000
const WORKERS = 4

async function open(url: string, queue: string): Promise<PgBoss> {
  const boss = new PgBoss({ connectionString: url, useListenNotify: true })
  boss.on('error', (error) => process.stderr.write(`pg-boss: ${error.message}\n`))
  await boss.start()
  await boss.createQueue(queue, { notify: true })
  return boss
}

export async function startPgBossWorker(
  url: string,
  { concurrency, queue, told }: PeerOptions,
): Promise<Started<PeerWorkerCommands>> {
  const boss = await open(url, queue)
  await boss.getDb().executeSql(RESULTS_TABLE, [])
  let done = 0
  const options = {
    batchSize: Math.max(2, Math.round((concurrency * 10) / WORKERS)),
    localConcurrency: WORKERS,
    burstWhenBatchFull: true,
    pollingIntervalSeconds: 0.5,
  }
  if (told)
    await boss.work(queue, { ...options, transactional: true }, async (jobs: Job<JobData>[], db) => {
      const numbers = jobs.map(({ data }) => data.n)
      await db.executeSql(INSERT_RESULTS, [numbers])
      for (const note of notes(numbers)) await db.executeSql(NOTIFY, [note])
      done += jobs.length
    })
  else
    await boss.work(queue, options, async (jobs: Job<JobData>[]) => {
      done += jobs.length
    })
  return { commands: { done: async () => done }, stop: endsWithItsProcess }
}

export async function startPgBossClient(
  url: string,
  { queue, told }: PeerOptions,
): Promise<Started<CompareCommands>> {
  const boss = await open(url, queue)
  const add = (jobs: JobData[]): Promise<unknown> =>
    boss.insert(
      queue,
      jobs.map((data) => ({ data })),
    )
  if (!told) return await countingClient({ add }, BULK)
  return await peerClient(async (tell) => {
    await listen(url, tell)
    return { add }
  }, BULK)
}
