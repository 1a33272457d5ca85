// BullMQ as its documents advise: addBulk, one worker with a concurrency, results kept with the jobs, submitters told by
// QueueEvents. As it is: jobs go when they are completed, and nobody is told.
import { type ConnectionOptions, Queue, QueueEvents, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { endsWithItsProcess, type JobData, peerClient } from '../compare/client.ts'
import type { CompareCommands } from '../compare/commands.ts'
import type { Started } from '../processes/roles.ts'
import { countingClient, type PeerOptions, type PeerWorkerCommands } from './modes.ts'

const BULK = 1_000
/** 10,000 unless it is told; a job has four. */
const KEPT_EVENTS = 1_000_000

const connect = (url: string): ConnectionOptions => new Redis(url, { maxRetriesPerRequest: null }) as never

export async function startBullMqWorker(
  url: string,
  { concurrency, queue, told }: PeerOptions,
): Promise<Started<PeerWorkerCommands>> {
  let done = 0
  const worker = new Worker<JobData>(
    queue,
    async () => {
      done++
      return { ok: true }
    },
    { connection: connect(url), concurrency, ...(told ? {} : { removeOnComplete: { count: 0 } }) },
  )
  await worker.waitUntilReady()
  return { commands: { done: async () => done }, stop: endsWithItsProcess }
}

export async function startBullMqClient(
  url: string,
  { queue: name, told }: PeerOptions,
): Promise<Started<CompareCommands>> {
  // Its events are kept in a stream that is cut: whoever reads more slowly than others write would wait for ever.
  const streams = { events: { maxLen: KEPT_EVENTS } }
  const queue = new Queue<JobData>(name, { connection: connect(url), streams })
  await queue.waitUntilReady()
  const add = (jobs: JobData[]): Promise<unknown> =>
    queue.addBulk(jobs.map((data) => ({ name: 'bench', data, opts: { jobId: `n-${data.n}` } })))
  if (!told) return await countingClient({ add }, BULK)
  const events = new QueueEvents(name, { connection: connect(url) })
  await events.waitUntilReady()
  return await peerClient(async (tell) => {
    events.on('completed', ({ jobId }) => tell(Number(jobId.slice(2))))
    return { add }
  }, BULK)
}
