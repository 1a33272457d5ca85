// A pool that knows the protocol and nothing else: it subscribes to its work and answers it. It does not count its slots,
// so that the history shows what it was sent.
import type { Msg, NatsConnection } from '@nats-io/transport-node'
import type { History } from '../history/writer.ts'
import type { PoolOptions, RoleOptions } from '../system/population.ts'
import { connectPlainly } from './connection.ts'
import { work } from './work.ts'

interface Task {
  task_id: string
  payload: Record<string, unknown>
}

export async function startPlainPool(options: RoleOptions, history: History): Promise<void> {
  const pool = options.pool as PoolOptions
  const nc = await connectPlainly(pool.name)
  const runs = new Map<string, Set<AbortController>>()
  let running = 0

  const run = async (message: Msg): Promise<void> => {
    const task = message.json<Task>()
    const control = new AbortController()
    const same = runs.get(task.task_id) ?? new Set()
    runs.set(task.task_id, same.add(control))
    running++
    const attempt = Number(message.headers?.get('Poolmesh-Attempt') || 0)
    const how = await work(history, pool.name, task, attempt, control.signal)
    // Before the answer: whoever gets it may send the next task at once.
    running--
    same.delete(control)
    if (same.size === 0) runs.delete(task.task_id)
    const answer = {
      done: { status: 'completed', output: { by: pool.name } },
      failed: FAILED,
      stopped: STOPPED,
    }
    message.respond(JSON.stringify({ task_id: task.task_id, ...answer[how] }))
  }
  nc.subscribe(`pool.work.${pool.name}`, {
    queue: pool.name,
    callback: (error, message) => {
      if (!error) void run(message)
    },
  })
  nc.subscribe(`pool.cancel.${pool.name}`, {
    callback: (error, message) => {
      const id = error ? null : message.json<{ task_id: string }>().task_id
      for (const control of (id !== null && runs.get(id)) || []) control.abort()
    },
  })
  const load = (): string => JSON.stringify({ current_workers: running, queue_size: 0 })
  if (pool.talks) {
    nc.subscribe(`pool.health.${pool.name}`, {
      callback: (error, message) => {
        if (!error)
          message.respond(JSON.stringify({ status: 'healthy', current_workers: running, queue_size: 0 }))
      },
    })
    setInterval(() => nc.publish(`pool.heartbeat.${pool.name}`, load()), 1_000)
  }
  process.once('SIGTERM', () => void nc.drain().finally(() => process.exit(0)))
  await register(nc, pool)
}

const FAILED = { status: 'failed', error: 'made to fail' }
const STOPPED = { status: 'cancelled', error: 'told to stop' }

async function register(nc: NatsConnection, { name, capabilities, slots }: PoolOptions): Promise<void> {
  const descriptor = JSON.stringify({ name, pool_type: 'nats', capabilities, max_workers: slots })
  for (;;) {
    const reply = await nc.request('pool.register', descriptor, { timeout: 2_000 }).catch(() => null)
    if (reply && !reply.json<{ error?: unknown }>().error) return
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
}
