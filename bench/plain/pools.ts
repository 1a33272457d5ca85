// Pools as the contract describes them, with nothing of the project's packages.
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type Msg, type NatsConnection } from '@nats-io/transport-node'
import type { Started } from '../processes/roles.ts'
import type { PoolsCommands, PoolsOptions } from '../product/pools.ts'

/** The contract's default. */
const HEARTBEAT_MS = 5_000
/** Thousands may register at once. */
const REGISTER_MS = 60_000

export async function startPlainPools(url: string, options: PoolsOptions): Promise<Started<PoolsCommands>> {
  const nc = await connect({ servers: url, name: 'plain pools' })
  const begun: Record<string, number> = {}
  const running = new Map(options.names.map((name) => [name, 0]))
  const loadOf = (name: string): object => ({ current_workers: running.get(name), queue_size: 0 })

  const work = async (name: string, message: Msg): Promise<void> => {
    const { task_id } = message.json<{ task_id: string }>()
    begun[name] = (begun[name] ?? 0) + 1
    running.set(name, (running.get(name) ?? 0) + 1)
    await sleep(Math.random() * options.workMs)
    running.set(name, (running.get(name) ?? 0) - 1)
    message.respond(JSON.stringify({ task_id, pool_name: name, status: 'completed', output: { ok: true } }))
  }
  const start = async (name: string): Promise<void> => {
    nc.subscribe(`pool.work.${name}`, { queue: name, callback: (_, message) => void work(name, message) })
    nc.subscribe(`pool.health.${name}`, {
      callback: (_, message) => void message.respond(JSON.stringify({ status: 'healthy', ...loadOf(name) })),
    })
    await nc.flush()
    await register(nc, name, options)
  }
  await Promise.all(options.names.map(start))
  const timer = setInterval(() => {
    for (const name of options.names) nc.publish(`pool.heartbeat.${name}`, JSON.stringify(loadOf(name)))
  }, HEARTBEAT_MS)

  return {
    commands: { begun: async () => begun },
    async stop() {
      clearInterval(timer)
      for (const name of options.names)
        await nc.request('pool.deregister', JSON.stringify({ name }), { timeout: 5_000 })
      await nc.close()
    },
  }
}

async function register(nc: NatsConnection, name: string, options: PoolsOptions): Promise<void> {
  const descriptor = {
    name,
    pool_type: 'nats',
    capabilities: [options.capability],
    max_workers: options.maxWorkers,
  }
  const reply = await nc.request('pool.register', JSON.stringify(descriptor), { timeout: REGISTER_MS })
  const { error } = reply.json<{ error?: unknown }>()
  if (error) throw new Error(`${name} was refused: ${reply.string()}`)
}
