// The systems that are compared: each gives its processes and runs a number of tasks.
import { startFloor } from '../floor/system.ts'
import { MissingServer, type Server, startPostgres, startRedis } from '../peers/servers.ts'
import { Child } from '../processes/child.ts'
import type { Processes } from '../processes/usage.ts'
import { startProduct } from '../product/system.ts'
import { POOLS, type ThroughputJob, type ThroughputOutcome } from './workload.ts'

const CAPABILITY = 'bench'
const WORKERS = 100

interface Opened extends AsyncDisposable {
  processes: Processes
  run(job: ThroughputJob): Promise<ThroughputOutcome>
}

export interface Contender {
  name: string
  kind: 'poolmesh' | 'floor' | 'peer, the same job' | 'peer, as it is'
  /** Tasks in one call or message, as suits the system. */
  batchSize: number
  open(): Promise<Opened>
}

export interface Contenders {
  all: Contender[]
  /** Of the servers, by name. */
  versions: Record<string, string>
  /** Why peers are left out. */
  missing: string[]
}

export async function startContenders(parts: AsyncDisposableStack): Promise<Contenders> {
  const product = parts.use(await startProduct())
  const names = Array.from({ length: POOLS }, (_, i) => `bench-${i}`)
  const options = { names, capability: CAPABILITY, maxWorkers: WORKERS, workMs: 0 }
  const floor = parts.use(await startFloor(POOLS))
  const all: Contender[] = [
    {
      name: 'poolmesh',
      kind: 'poolmesh',
      batchSize: 100,
      open: () =>
        opened(product.processes, 'pools', Child.start('product pools', product.url, options), () =>
          Child.start('product client', product.url, { capability: CAPABILITY }),
        ),
    },
    {
      name: 'floor',
      kind: 'floor',
      batchSize: 100,
      open: () =>
        opened(floor.processes, 'pools', Child.start('floor pools', floor.url, { pools: POOLS }), () =>
          Child.start('floor client', floor.url, {}),
        ),
    },
  ]
  const versions: Record<string, string> = {}
  const missing: string[] = []
  const redis = await serverOf(startRedis, parts, missing)
  const postgres = await serverOf(startPostgres, parts, missing)
  if (redis) versions['redis-server'] = redis.version
  if (postgres) versions['postgres'] = postgres.version
  if (redis) all.push(...peer('BullMQ', 'bullmq', 'redis-server', redis))
  if (postgres) all.push(...peer('pg-boss', 'pg-boss', 'postgres', postgres))
  if (postgres) all.push(...peer('graphile-worker', 'graphile', 'postgres', postgres))
  return { all, versions, missing }
}

async function serverOf(
  start: () => Promise<Server>,
  parts: AsyncDisposableStack,
  missing: string[],
): Promise<Server | null> {
  try {
    return parts.use(await start())
  } catch (error) {
    if (!(error instanceof MissingServer)) throw error
    missing.push(error.message)
    return null
  }
}

type PeerRole = 'bullmq' | 'pg-boss' | 'graphile'

function peer(name: string, role: PeerRole, program: string, { url, pid }: Server): Contender[] {
  const server = { [program]: pid }
  return [true, false].map((told) => ({
    name,
    kind: told ? 'peer, the same job' : 'peer, as it is',
    batchSize: 500,
    open: () => openedPeer(server, role, url, told),
  }))
}

async function openedPeer(server: Processes, role: PeerRole, url: string, told: boolean): Promise<Opened> {
  await using parts = new AsyncDisposableStack()
  const worker = parts.use(await Child.start(`${role} worker`, url, { told }))
  const client = parts.use(await Child.start(`${role} client`, url, { told }))
  const owned = parts.move()
  return {
    processes: { ...server, worker: worker.pid, client: client.pid },
    run: async (job) => {
      const begun = performance.now()
      const [outcome, completed] = await Promise.all([
        client.call('throughput', job),
        worker.call('completed', job.tasks),
      ])
      if (told) return outcome
      const seconds = (performance.now() - begun) / 1000
      return { seconds, results: completed, distinct: completed, completed }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

async function opened(
  system: Processes,
  name: string,
  starting: Promise<Child<'product pools'> | Child<'floor pools'>>,
  startClient: () => Promise<Child<'product client'> | Child<'floor client'>>,
): Promise<Opened> {
  await using parts = new AsyncDisposableStack()
  const pools = parts.use(await starting)
  const client = parts.use(await startClient())
  const owned = parts.move()
  return {
    processes: { ...system, [name]: pools.pid, client: client.pid },
    run: (job) => client.call('throughput', job),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
