// Reads RESULTS with a durable consumer, as somebody would who must miss nothing; asks the services from time to time; and
// reads everything once more at the end. Nobody kills it: what it saw is what is checked.
import { setTimeout as sleep } from 'node:timers/promises'
import { AckPolicy, type JsMsg, jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { type DistributedTaskResult, STREAMS } from '@poolmesh/types'
import type { ResultLine, Role } from '../history/events.ts'
import type { History } from '../history/writer.ts'
import type { RoleOptions } from '../system/population.ts'
import { connectPlainly } from './connection.ts'

const CONSUMER = 'chaos-reader'
const FILTER = 'task.completed.*'
const PROBE_MS = 500
const PROBES: [Role, string][] = [
  ['registry', 'pool.list'],
  ['health-monitor', 'health.stats'],
]

/** Of a message: an object, or an array of them. */
const resultsOf = (message: JsMsg): DistributedTaskResult[] => {
  const body = message.json<DistributedTaskResult | DistributedTaskResult[]>()
  return Array.isArray(body) ? body : [body]
}

function lineOf({ task_id, status, pool_name, metadata }: DistributedTaskResult): ResultLine {
  const history = metadata['history']
  const past = Array.isArray(history)
    ? history.map((item) => String((item as { reason?: unknown }).reason))
    : []
  const reason = typeof metadata['reason'] === 'string' ? metadata['reason'] : null
  return [task_id, status, pool_name, Number(metadata['attempts'] ?? 0), reason, past]
}

async function until<T>(what: () => Promise<T>, history: History): Promise<T> {
  for (;;) {
    try {
      return await what()
    } catch (error) {
      history.write({ e: 'note', text: `reader: ${error}` })
      await sleep(500)
    }
  }
}

async function read(nc: NatsConnection, history: History): Promise<void> {
  const js = jetstream(nc)
  for (;;) {
    try {
      const consumer = await js.consumers.get(STREAMS.results, CONSUMER)
      const messages = await consumer.consume({ max_messages: 500, idle_heartbeat: 2_000, expires: 10_000 })
      for await (const message of messages) {
        const r = resultsOf(message).map(lineOf)
        history.write({ e: 'stored', q: message.seq, again: message.info.redelivered, r })
        message.ack()
      }
    } catch (error) {
      history.write({ e: 'note', text: `reader: ${error}` })
    }
    await sleep(500)
  }
}

async function probe(nc: NatsConnection, history: History): Promise<void> {
  for (;;) {
    await sleep(PROBE_MS)
    for (const [role, subject] of PROBES) {
      const from = history.now()
      void nc.request(subject, '{}', { timeout: 1_000 }).then(
        (reply) => history.write({ e: 'probe', role, from, ok: !reply.json<{ error?: unknown }>().error }),
        () => history.write({ e: 'probe', role, from, ok: false }),
      )
    }
  }
}

/** Everything that is stored, by a consumer of its own. */
async function readAll(nc: NatsConnection, history: History): Promise<void> {
  const consumer = await jetstream(nc).consumers.get(STREAMS.results, { filter_subjects: [FILTER] })
  let left = (await consumer.info()).num_pending
  let stored = 0
  while (left > 0) {
    for await (const message of await consumer.fetch({ max_messages: 1_000, expires: 5_000 })) {
      const r = resultsOf(message).map(({ task_id, status }): [string, string] => [task_id, status])
      history.write({ e: 'final', q: message.seq, r })
      stored += r.length
      left = message.info.pending
    }
  }
  history.write({ e: 'read', stored })
}

export async function startReader(options: RoleOptions, history: History): Promise<void> {
  const nc = await connectPlainly(options.name)
  process.once('SIGTERM', () => process.exit(0))
  await until(async () => {
    const jsm = await jetstreamManager(nc)
    await jsm.consumers.add(STREAMS.results, {
      durable_name: CONSUMER,
      filter_subject: FILTER,
      ack_policy: AckPolicy.Explicit,
      max_ack_pending: 10_000,
    })
  }, history)
  void read(nc, history)
  void probe(nc, history)
  process.on('message', (message) => {
    if (message === 'read-all')
      void until(() => readAll(nc, history), history).then(() => process.send?.('read'))
  })
}
