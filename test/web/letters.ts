import { jetstream } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { type DeadLetter, deadSubject } from '@poolmesh/types'

/** Stores a dead letter as an executor does. @param text in every field that a stranger can fill */
export async function deadLetter(nc: NatsConnection, id: string, text = 'plain'): Promise<void> {
  const at = new Date().toISOString()
  const letter: DeadLetter = {
    task: {
      task_id: id,
      task_type: text.slice(0, 100),
      payload: { [text]: text },
      required_capabilities: [],
      routing_strategy: 'least_loaded',
      timeout: 60,
      queue_timeout: 60,
      priority: 5,
      max_attempts: 1,
      idempotent: false,
      metadata: { [text]: text },
    },
    result: {
      task_id: id,
      pool_name: null,
      status: 'failed',
      output: null,
      error: text,
      duration: 0,
      metadata: { attempts: 0, queued_ms: 1, reason: 'POISON' },
    },
    history: [{ pool: text, reason: text, error: text, at }],
    at,
  }
  await jetstream(nc).publish(deadSubject(id), JSON.stringify(letter))
}
