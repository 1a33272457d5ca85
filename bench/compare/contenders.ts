// The systems that are compared, each as it runs in production: server, services, a process that runs tasks, one that submits.
import { setTimeout as sleep } from 'node:timers/promises'
import { startFloor } from '../floor/system.ts'
import { Missing, startPostgres, startRedis } from '../peers/servers.ts'
import { Child } from '../processes/child.ts'
import type { Processes } from '../processes/usage.ts'
import { startProduct } from '../product/system.ts'
import { POOLS, type ThroughputOutcome } from '../scenarios/workload.ts'
import type { CompareCommands } from './commands.ts'

export interface Contender {
  name: string
  version: string
  processes: Processes
  /** Rows of the throughput table: what they are called, and the run of so many tasks. */
  rows: Record<string, (tasks: number) => Promise<ThroughputOutcome>>
  /** Null: nobody is told, so there is nothing to be timed. */
  latency: Pick<CompareCommands, 'latency' | 'offered'> | null
  /** In a queue that nobody serves. The last that is asked of a contender. */
  submitOnly: ((tasks: number) => Promise<number>) | null
}

const CAPABILITY = 'bench'
const BATCH = 100
const WINDOW = 10_000
const CALLERS = 500
/** Jobs at one time in the peers' worker, and in each of poolmesh's and the floor's five pools. */
const CONCURRENCY = 100

export const ROWS = {
  many: 'submitMany',
  callers: `${CALLERS} callers of submit`,
  named: "callers' own ids, each alone",
} as const

export async function startPoolmesh(
  parts: AsyncDisposableStack,
  sync: '1s' | 'always' = '1s',
): Promise<Contender> {
  const system = parts.use(await startProduct(() => [], { sync, copies: 1 }))
  const names = Array.from({ length: POOLS }, (_, i) => `bench-${i}`)
  const options = { names, capability: CAPABILITY, maxWorkers: CONCURRENCY, workMs: 0 }
  const pools = parts.use(await Child.start('product pools', system.url, options))
  const client = parts.use(await Child.start('product client', system.url, { capability: CAPABILITY }))
  const job = (tasks: number) => ({ tasks, batchSize: BATCH, window: WINDOW })
  const many = (tasks: number) => client.call('throughput', job(tasks))
  return {
    name: sync === 'always' ? 'poolmesh, fsync of every write' : 'poolmesh',
    version: 'this tree',
    processes: { ...system.processes, pools: pools.pid, client: client.pid },
    rows:
      sync === 'always'
        ? { [ROWS.many]: many }
        : {
            [ROWS.many]: many,
            [ROWS.callers]: (tasks) => client.call('concurrent', { tasks, callers: CALLERS }),
            [ROWS.named]: (tasks) => client.call('named', job(tasks)),
          },
    latency:
      sync === 'always'
        ? null
        : {
            latency: (probes) => client.call('latency', probes),
            offered: (load) => client.call('offered', load),
          },
    submitOnly: sync === 'always' ? null : (tasks) => client.call('submitOnly', { tasks }),
  }
}

export async function startTheFloor(parts: AsyncDisposableStack): Promise<Contender> {
  const system = parts.use(await startFloor(POOLS))
  const pools = parts.use(await Child.start('floor pools', system.url, { pools: POOLS }))
  const client = parts.use(await Child.start('floor client', system.url, {}))
  return {
    name: 'floor',
    version: 'bare NATS clients',
    processes: { ...system.processes, pools: pools.pid, client: client.pid },
    rows: {
      [ROWS.many]: (tasks) => client.call('throughput', { tasks, batchSize: BATCH, window: WINDOW }),
    },
    latency: {
      latency: (probes) => client.call('latency', probes),
      offered: (load) => client.call('offered', load),
    },
    submitOnly: (tasks) => client.call('submitOnly', { tasks }),
  }
}

const PEERS = ['bullmq', 'pg-boss', 'graphile-worker'] as const
type Peer = (typeof PEERS)[number]
export const SAME_JOB = 'the same job'
export const AS_IT_IS = 'as it is'

/** @returns the peers whose servers are there, and of the others why not */
export async function startPeers(
  parts: AsyncDisposableStack,
): Promise<{ peers: Contender[]; missing: string[] }> {
  const peers: Contender[] = []
  const missing: string[] = []
  for (const peer of PEERS) {
    try {
      peers.push(await startPeer(peer, parts))
    } catch (error) {
      if (!(error instanceof Missing)) throw error
      missing.push(`${peer} is left out: ${error.message}`)
    }
  }
  return { peers, missing }
}

async function startPeer(peer: Peer, parts: AsyncDisposableStack): Promise<Contender> {
  const server = parts.use(await (peer === 'bullmq' ? startRedis() : startPostgres()))
  // Nobody waits for the clean end of a peer: its server goes with all that it has.
  const start = async <Role extends `${Peer} client` | `${Peer} worker`>(
    role: Role,
    queue: string,
    told: boolean,
  ): Promise<Child<Role>> => {
    const options = { queue, concurrency: CONCURRENCY, told }
    const child = await Child.start(role, server.url, options as never)
    parts.defer(async () => void (await child.stop('SIGKILL')))
    return child
  }
  const pair = async (queue: string, told: boolean) => {
    // Tables are made once.
    const client = await start(`${peer} client`, queue, told)
    return { client, worker: await start(`${peer} worker`, queue, told) }
  }
  const told = await pair('told', true)
  const bare = await pair('bare', false)
  const spare = await start(`${peer} client`, 'unserved', false)
  const serverName = peer === 'bullmq' ? 'redis-server' : 'postgres'
  return {
    name: peer,
    version: server.version,
    processes: {
      [serverName]: server.pid,
      worker: told.worker.pid,
      client: told.client.pid,
      'worker as it is': bare.worker.pid,
      'client as it is': bare.client.pid,
    },
    rows: {
      [SAME_JOB]: (tasks) => told.client.call('throughput', { tasks, batchSize: 0, window: WINDOW }),
      [AS_IT_IS]: async (tasks) => {
        const before = await bare.worker.call('done')
        const begun = performance.now()
        const adding = bare.client.call('submitOnly', { tasks })
        for (;;) {
          const results = (await bare.worker.call('done')) - before
          if (results < tasks) {
            await sleep(5)
            continue
          }
          const seconds = (performance.now() - begun) / 1000
          await adding
          return { seconds, results, distinct: results, completed: results }
        }
      },
    },
    latency: {
      latency: (probes) => told.client.call('latency', probes),
      offered: (load) => told.client.call('offered', load),
    },
    submitOnly: (tasks) => spare.call('submitOnly', { tasks }),
  }
}
