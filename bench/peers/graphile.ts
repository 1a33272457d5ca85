// graphile-worker: bulk adds, a local queue and completes by batch, as its page on performance advises.
import { Logger, makeWorkerUtils, run } from 'graphile-worker'
import pg from 'pg'
import type { Started } from '../processes/roles.ts'
import { PAYLOAD_BYTES, payloadOf } from '../scenarios/workload.ts'
import {
  CONCURRENCY,
  Counter,
  type PeerClientCommands,
  type PeerOptions,
  type PeerWorkerCommands,
  QUEUE,
  Submitter,
} from './job.ts'
import { listen, makeResults, Results } from './results.ts'

const LOCAL_QUEUE = 500
const CONNECTIONS = 20
const logger = new Logger(() => () => {})

export async function startGraphileClient(
  url: string,
  { told }: PeerOptions,
): Promise<Started<PeerClientCommands>> {
  const utils = await makeWorkerUtils({ connectionString: url, logger })
  const submitter = new Submitter()
  const ears = told ? await listen(url, (id) => submitter.heard(id)) : null
  const payload = payloadOf(PAYLOAD_BYTES)
  return {
    commands: {
      throughput: (job) =>
        submitter.run(job, told, (ids) =>
          utils.addJobs(ids.map((id) => ({ identifier: QUEUE, payload: { id, ...payload } }))),
        ),
    },
    stop: async () => {
      await ears?.end()
      await utils.release()
    },
  }
}

export async function startGraphileWorker(
  url: string,
  { told }: PeerOptions,
): Promise<Started<PeerWorkerCommands>> {
  await makeResults(url)
  const pgPool = new pg.Pool({ connectionString: url, max: CONNECTIONS })
  pgPool.on('error', () => {})
  pgPool.on('connect', (client) => void client.on('error', () => {}))
  const results = new Results(pgPool)
  const counter = new Counter()
  const runner = await run({
    pgPool,
    logger,
    noHandleSignals: true,
    preset: {
      worker: {
        concurrentJobs: CONCURRENCY,
        localQueue: { size: LOCAL_QUEUE },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
    },
    taskList: {
      [QUEUE]: async (payload) => {
        if (told) await results.store((payload as { id: string }).id)
      },
    },
  })
  runner.events.on('job:success', () => counter.add(1))
  return {
    commands: { completed: (tasks) => counter.completed(tasks) },
    stop: async () => {
      await runner.stop()
      await pgPool.end()
    },
  }
}
