// Pools of other kinds than the bus, with `--adapters`. They do not register themselves: that is done once, for them.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { NatsConnection } from '@nats-io/transport-node'
import type { PoolOptions } from './population.ts'

const JOB = join(import.meta.dirname, '..', 'job.ts')
/** Long enough for the longest pause of whoever may still ask for it, and no longer: the server looks through all of them. */
const JOB_KEPT_S = 90
const GRACE_S = 10

export const HTTP_POOL: PoolOptions = { name: 'http1', slots: 20, capabilities: ['any', 'http'], talks: true }
export const JOB_POOL: PoolOptions = { name: 'jobs1', slots: 8, capabilities: ['jobs'], talks: true }

export interface AdaptedParts {
  httpPort: number
  kubeconfig: string
  historyFile: string
  base: number
}

export async function registerAdapted(nc: NatsConnection, parts: AdaptedParts): Promise<void> {
  const about = ({ name, slots, capabilities }: PoolOptions) => ({ name, capabilities, max_workers: slots })
  await register(nc, {
    ...about(HTTP_POOL),
    pool_type: 'mahavishnu',
    endpoint: `http://127.0.0.1:${parts.httpPort}`,
  })
  await register(nc, {
    ...about(JOB_POOL),
    pool_type: 'kubernetes',
    endpoint: apiServerOf(parts.kubeconfig),
    metadata: {
      kubernetes: {
        namespace: 'chaos',
        image: 'chaos:1',
        command: [process.execPath, JOB],
        env: { CHAOS_HISTORY: parts.historyFile, CHAOS_BASE: String(parts.base) },
        ttl_seconds: JOB_KEPT_S,
        grace_seconds: GRACE_S,
      },
    },
  })
}

/** Of the kubeconfig that the cluster wrote, which is JSON. */
const apiServerOf = (kubeconfig: string): string =>
  JSON.parse(readFileSync(kubeconfig, 'utf8')).clusters[0].cluster.server

async function register(nc: NatsConnection, descriptor: object): Promise<void> {
  const reply = await nc.request('pool.register', JSON.stringify(descriptor), { timeout: 5_000 })
  const { error } = reply.json<{ error?: { message: string } }>()
  if (error) throw new Error(error.message)
}
