// BullMQ: bulk adds, results in the job's hash, told by QueueEvents.
import { Queue, QueueEvents, Worker } from 'bullmq'
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

const connectionOf = (url: string): { host: string; port: number } => ({
  host: new URL(url).hostname,
  port: Number(new URL(url).port),
})

export async function startBullmqClient(
  url: string,
  { told }: PeerOptions,
): Promise<Started<PeerClientCommands>> {
  const connection = connectionOf(url)
  const queue = new Queue(QUEUE, { connection })
  const submitter = new Submitter()
  const events = told ? new QueueEvents(QUEUE, { connection }) : null
  events?.on('completed', ({ jobId }) => submitter.heard(jobId))
  await Promise.all([queue.waitUntilReady(), events?.waitUntilReady()])
  const data = payloadOf(PAYLOAD_BYTES)
  return {
    commands: {
      throughput: async (job) => {
        const outcome = await submitter.run(job, told, (ids) =>
          queue.addBulk(
            // Without results a completed job is of no use to anyone.
            ids.map((jobId) => ({ name: QUEUE, data, opts: { jobId, removeOnComplete: !told } })),
          ),
        )
        return outcome
      },
    },
    stop: async () => {
      await events?.close()
      await queue.close()
    },
  }
}

export async function startBullmqWorker(url: string): Promise<Started<PeerWorkerCommands>> {
  const counter = new Counter()
  const worker = new Worker(QUEUE, async () => ({ ok: true }), {
    connection: connectionOf(url),
    concurrency: CONCURRENCY,
  })
  worker.on('completed', () => counter.add(1))
  worker.on('error', (error) => process.stderr.write(`BullMQ: ${error.message}\n`))
  await worker.waitUntilReady()
  return { commands: { completed: (tasks) => counter.completed(tasks) }, stop: () => worker.close() }
}
