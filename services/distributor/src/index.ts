// The distributor: wires the decisions about fan-outs to the bus.
import { setTimeout as pause } from 'node:timers/promises'
import type { NatsConnection } from '@nats-io/transport-node'
import {
  ClaimCheck,
  endpoint,
  followPools,
  type PoolListener,
  Publisher,
  type ServiceContext,
  type StartService,
  StoredTasks,
  serve,
} from '@poolmesh/bus'
import { activeTracing } from '@poolmesh/tracing'
import { type DistributedTaskResult, isJsonObject, isTerminal, SUBJECTS } from '@poolmesh/types'
import * as z from 'zod'
import { Branches, parentOfTold, TOLD_ANY } from './branches.ts'
import { Coordinator } from './coordinator.ts'
import { Distribute } from './distribute.ts'
import { BranchLookup } from './lookup.ts'
import { answerForOwn } from './questions.ts'
import { Storage } from './storage.ts'
import { TakeUp } from './take-up.ts'
import type { FanOutTraces } from './traces.ts'

const TICK_MS = 100
/** Fan-outs in flight are kept from being given to others: a third of the consumers' ack_wait. */
const KEEP_MS = 2_000
/** How long the writes that are outstanding may take when the distributor stops. */
const STOP_MS = 1_500
/** The settings bound the tasks that are held; a fan-out is several. */
const TASKS_A_PARENT = 4

export const startDistributor: StartService = async (context) => {
  const owned = new AsyncDisposableStack()
  try {
    await start(context, owned)
  } catch (error) {
    await owned.disposeAsync()
    throw error
  }
  return owned
}

async function start(
  { nc, settings, log, metrics }: ServiceContext,
  owned: AsyncDisposableStack,
): Promise<void> {
  const publisher = owned.use(new Publisher(nc))
  const stored = owned.use(await StoredTasks.open(nc))
  const claims = new ClaimCheck(nc)
  const lookup = await BranchLookup.open(nc, publisher)
  const defaultStrategy = settings.pools.routing_strategy
  const traces = await openTraces()
  const coordinator: Coordinator = new Coordinator({
    branches: new Branches(nc, { publisher, stored, claims, traces, log }),
    lookup,
    stored,
    storage: () => storage,
    claims,
    traces,
    log,
    onRoom: () => takeUp.nudge(),
  })
  const onStored = coordinator.stored.bind(coordinator)
  const storage = new Storage(nc, { publisher, stored, claims, log, onStored })
  owned.use(
    await followPools(nc, poolListener(coordinator), (subject) =>
      log.warn({ subject }, 'not readable, ignored'),
    ),
  )
  owned.use(hearBranches(nc, coordinator))
  metrics?.source((tell) => {
    tell('poolmesh_distributor_fanouts', coordinator.active, { status: 'running' })
    tell('poolmesh_distributor_fanouts', coordinator.waiting, { status: 'pending' })
    tell('poolmesh_distributor_bytes', coordinator.bytes)
    tell('poolmesh_distributor_pools', coordinator.pools.size)
  })
  owned.use(answerForOwn(nc, coordinator))
  const takeUp = owned.use(
    new TakeUp(nc, {
      coordinator,
      stored,
      publisher,
      defaultStrategy,
      maxParents: Math.max(1, Math.floor(settings.poolmesh.window_tasks / TASKS_A_PARENT)),
      maxBytes: settings.poolmesh.window_bytes,
      log,
    }),
  )
  const distribute = owned.use(new Distribute(nc, { publisher, stored, claims, defaultStrategy, log }))
  owned.use(
    await serve(nc, {
      name: 'poolmesh-distributor',
      description: 'Runs one task on several pools and aggregates what comes of it',
      log,
      endpoints: [
        endpoint({
          subject: SUBJECTS.taskDistribute,
          request: z.unknown(),
          handle: (request) => distribute.run(request),
        }),
      ],
    }),
  )
  const every = (ms: number, work: () => void): void => {
    const timer = setInterval(work, ms)
    owned.defer(() => clearInterval(timer))
  }
  every(TICK_MS, () => coordinator.tick(Date.now()))
  every(KEEP_MS, () => coordinator.keep())
  void (async () => {
    for await (const status of nc.status()) {
      if (status.type !== 'reconnect') continue
      takeUp.reset()
      coordinator.lookAround()
    }
  })().catch(() => {})
  // Runs first when disposed: what is in flight goes to another distributor at once.
  owned.defer(async () => {
    await takeUp.stop()
    distribute.stop()
    const end = performance.now() + STOP_MS
    while ([...coordinator.batches.values()].some(({ writing }) => writing) && performance.now() < end)
      await pause(10)
    storage.stop()
    coordinator.stop()
    if (!nc.isClosed()) await nc.flush().catch(() => {})
  })
  log.info({ pools: coordinator.pools.size }, 'taking fan-outs')
}

function poolListener(coordinator: Coordinator): PoolListener {
  const { pools } = coordinator
  return {
    upserted: (pool) => {
      pools.upsert({
        name: pool.name,
        capabilities: pool.capabilities,
        health_status: pool.health_status,
        registered_at: pool.registered_at,
        draining: pool.draining === true,
      })
      coordinator.poolChanged(pool.name)
    },
    removed: (name) => pools.remove(name),
    health: (name, health) => {
      pools.verdict(name, health)
      coordinator.poolChanged(name)
    },
  }
}

function hearBranches(nc: NatsConnection, coordinator: Coordinator): Disposable {
  const subscription = nc.subscribe(TOLD_ANY, {
    callback: (error, message) => {
      if (error) return
      const parent = parentOfTold(message.subject)
      // Another distributor's: not worth reading.
      if (!coordinator.parent(parent)) return
      const results = readResults(message.string())
      if (results.length > 0) coordinator.told(parent, results, message.data.length)
    },
  })
  return { [Symbol.dispose]: () => subscription.unsubscribe() }
}

/** What is told is stored, so it was checked; whatever looks otherwise is ignored and looked up in the end. */
function readResults(text: string): DistributedTaskResult[] {
  try {
    const told: unknown[] = [JSON.parse(text) as unknown].flat()
    return told.filter(
      (result): result is DistributedTaskResult =>
        isJsonObject(result) && isTerminal(result['status']) && isJsonObject(result['metadata']),
    )
  } catch {
    return []
  }
}

/** Loaded only where traces are on. */
async function openTraces(): Promise<FanOutTraces | null> {
  const tracing = activeTracing()
  return tracing && new (await import('./traces.ts')).FanOutTraces(tracing)
}
