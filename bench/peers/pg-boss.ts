// pg-boss: bulk inserts, fetched and completed by batch; a result is kept in its job's row.
import pg from 'pg'
import { PgBoss } from 'pg-boss'
import type { Started } from '../processes/roles.ts'
import { PAYLOAD_BYTES, payloadOf } from '../scenarios/workload.ts'
import {
  Counter,
  type PeerClientCommands,
  type PeerOptions,
  type PeerWorkerCommands,
  QUEUE,
  Submitter,
} from './job.ts'
import { listen, notify } from './results.ts'

/** Each fetches a batch, runs it and completes it. */
const LOOPS = 4
const BATCH = 500
const IDLE_MS = 5

const bossOf = async (url: string): Promise<PgBoss> => {
  const boss = new PgBoss(url)
  boss.on('error', (error) => process.stderr.write(`pg-boss: ${error.message}\n`))
  await boss.start()
  await boss.createQueue(QUEUE)
  return boss
}

export async function startPgBossClient(
  url: string,
  { told }: PeerOptions,
): Promise<Started<PeerClientCommands>> {
  const boss = await bossOf(url)
  const submitter = new Submitter()
  const ears = told ? await listen(url, (id) => submitter.heard(id)) : null
  const data = payloadOf(PAYLOAD_BYTES)
  return {
    commands: {
      throughput: (job) =>
        submitter.run(job, told, (ids) =>
          boss.insert(
            QUEUE,
            ids.map((id) => ({ id, data })),
          ),
        ),
    },
    stop: async () => {
      await ears?.end()
      await boss.stop({ graceful: false })
    },
  }
}

export async function startPgBossWorker(
  url: string,
  { told }: PeerOptions,
): Promise<Started<PeerWorkerCommands>> {
  const boss = await bossOf(url)
  const pool = new pg.Pool({ connectionString: url })
  pool.on('error', () => {})
  const counter = new Counter()
  let stopping = false
  const loop = async (): Promise<void> => {
    while (!stopping) {
      const jobs = await boss.fetch(QUEUE, { batchSize: BATCH })
      if (jobs.length === 0) {
        await new Promise((resolve) => setTimeout(resolve, IDLE_MS))
        continue
      }
      const ids = jobs.map(({ id }) => id)
      await boss.complete(QUEUE, ids, told ? { ok: true } : null)
      if (told) await notify(pool, ids)
      counter.add(ids.length)
    }
  }
  const loops = Promise.all(Array.from({ length: LOOPS }, loop))
  loops.catch((error: Error) => {
    process.stderr.write(`pg-boss: ${error.message}\n`)
    process.exit(1)
  })
  return {
    commands: { completed: (tasks) => counter.completed(tasks) },
    stop: async () => {
      stopping = true
      await loops
      await pool.end()
      await boss.stop({ graceful: false })
    },
  }
}
