// Five pools of four kinds, each as somebody would run it who has such a pool: two on the bus, one behind HTTP, an MCP server,
// and Jobs of a Kubernetes API. What they do is next to nothing, so that the table shows where tasks go and not how long they take.
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from '@nats-io/transport-node'
import { silentLogger } from '@poolmesh/bus'
import type { PoolRegistry } from '@poolmesh/client'
import { type FakeKubernetes, McpTestServer } from '@poolmesh/testkit'
import { definePool, serveHttp } from '@poolmesh/worker'

/** What one task takes, but for the Jobs: those take what a process takes. */
const WORK_MS = 8

export const KINDS: Record<string, string> = {
  presses: 'bus: worker package',
  stencils: 'bus: plain subscriber',
  mill: 'HTTP: serveHttp',
  reviewers: 'MCP: Session-Buddy',
  jobs: 'Kubernetes: Jobs',
}

interface Parts {
  url: string
  registry: PoolRegistry
  cluster: FakeKubernetes
  /** Stops what was started. */
  owned: AsyncDisposableStack
}

export async function startPools(parts: Parts): Promise<void> {
  await Promise.all([
    startPresses(parts),
    startStencils(parts),
    startMill(parts),
    startReviewers(parts),
    registerJobs(parts),
  ])
}

async function startPresses({ url, owned }: Parts): Promise<void> {
  const pool = definePool({
    name: 'presses',
    capabilities: ['render', 'fast', 'colour'],
    region: 'eu',
    maxWorkers: 6,
    handler: async () => {
      await sleep(WORK_MS)
      return { by: 'presses' }
    },
  })
  owned.use(await pool.start({ servers: url, log: silentLogger(), handleSignals: false }))
}

/** A subscription and a request: all that a pool on the bus has to do, in any language. */
async function startStencils({ url, registry, owned }: Parts): Promise<void> {
  const nc = await connect({ servers: url, name: 'stencils' })
  owned.defer(() => nc.close())
  nc.subscribe('pool.work.stencils', {
    queue: 'stencils',
    callback: (_, message) => {
      const { task_id } = message.json<{ task_id: string }>()
      const answer = JSON.stringify({ task_id, status: 'completed', output: { by: 'stencils' } })
      setTimeout(() => message.respond(answer), WORK_MS)
    },
  })
  await nc.flush()
  await registry.registerPool({
    name: 'stencils',
    pool_type: 'nats',
    capabilities: ['label'],
    region: 'eu',
    max_workers: 4,
  })
}

/** Needs no connection to NATS; it is found by asking its address what pools there are. */
async function startMill({ registry, owned }: Parts): Promise<void> {
  const pool = definePool({
    name: 'mill',
    capabilities: ['render', 'fast', 'label'],
    region: 'us',
    maxWorkers: 6,
    handler: async () => {
      await sleep(WORK_MS)
      return { by: 'mill' }
    },
  })
  const served = await serveHttp(pool, { log: silentLogger(), handleSignals: false, drainTimeout: 1 })
  owned.defer(() => served.stop({ drain: false }))
  const { failed } = await registry.discoverPools([served.endpoint])
  if (failed[0]) throw new Error(`the pool behind HTTP was not found: ${failed[0].reason}`)
}

/** A server with Session-Buddy's tools: what a task gave comes as a text. */
async function startReviewers({ registry, owned }: Parts): Promise<void> {
  const server = await McpTestServer.start({
    kind: 'session_buddy',
    handler: async () => {
      await sleep(WORK_MS)
      return 'reads well'
    },
  })
  owned.use(server)
  await registry.registerPool({
    name: 'reviewers',
    pool_type: 'session_buddy',
    endpoint: server.endpoint,
    capabilities: ['review', 'label'],
    region: 'us',
    max_workers: 3,
    metadata: { mcp: { pool_id: 'default' } },
  })
}

/** Each task is a Job, and each Job a process that writes its result. */
async function registerJobs({ registry, cluster }: Parts): Promise<void> {
  await registry.registerPool({
    name: 'jobs',
    pool_type: 'kubernetes',
    endpoint: cluster.endpoint,
    capabilities: ['render', 'review'],
    region: 'eu',
    max_workers: 3,
    metadata: {
      kubernetes: {
        namespace: 'demo',
        image: 'demo:1',
        command: ['/bin/sh', '-c', `printf '{"by":"jobs"}' > "$POOLMESH_RESULT_FILE"`],
      },
    },
  })
}
